#include "apical_native.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <ATen/ops/convolution_backward.h>

namespace {
template <typename F> char *guarded(F &&body) {
    try {
        body();
        return nullptr;
    } catch (const std::exception &error) {
        return strdup(error.what());
    }
}
}  // namespace

extern "C" {

char *apical_addmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha) {
    return guarded([&] { self->addmm_(*left, *right, beta, alpha); });
}

char *apical_baddbmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha) {
    return guarded([&] { self->baddbmm_(*left, *right, beta, alpha); });
}

char *apical_axpby_(at::Tensor *self, double beta, double alpha, const at::Tensor *other) {
    return guarded([&] {
        if (beta != 1.0) self->mul_(beta);
        self->add_(*other, alpha);
    });
}

// The input adjoint needs only the input's shape, and the weight adjoint only the weight's.
char *apical_convolution_backward(const at::Tensor *error, const at::Tensor *input, const at::Tensor *weight,
                                  int64_t stride, int64_t padding, bool want_input, at::Tensor **out) {
    return guarded([&] {
        const std::array<int64_t, 2> strides{stride, stride}, paddings{padding, padding}, ones{1, 1}, zeros{0, 0};
        auto gradients = at::convolution_backward(*error, *input, *weight, c10::nullopt, strides, paddings, ones,
                                                  /*transposed=*/false, zeros, /*groups=*/1,
                                                  {want_input, !want_input, false});
        *out = new at::Tensor(want_input ? std::get<0>(gradients) : std::get<1>(gradients));
    });
}

void apical_free_message(char *message) { std::free(message); }
}
