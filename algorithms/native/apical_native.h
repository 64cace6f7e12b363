// The few LibTorch calls that tch does not expose; see ../src/native.rs.
#pragma once
#include <cstdint>
#include <ATen/core/Tensor.h>

extern "C" {
// Each returns null, or a malloc'ed message that the caller frees with apical_free_message.
char *apical_addmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha);
char *apical_baddbmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha);
char *apical_axpby_(at::Tensor *self, double beta, double alpha, const at::Tensor *other);
char *apical_convolution_backward(const at::Tensor *error, const at::Tensor *input, const at::Tensor *weight,
                                  int64_t stride, int64_t padding, bool want_input, at::Tensor **out);
char *apical_matmul(const at::Tensor *left, const at::Tensor *right, const at::Tensor *bias, at::Tensor **out);
char *apical_max_pool2d(const at::Tensor *maps, int64_t kernel, int64_t stride, int64_t padding, at::Tensor **out,
                        at::Tensor **indices);
char *apical_tanh_(at::Tensor *self);
void apical_reuse_freed_memory();
void apical_free_message(char *message);
}
