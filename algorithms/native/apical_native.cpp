#include "apical_native.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <ATen/Context.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>

namespace at::native {
// Not in LibTorch's headers, though its library exports it: result ← beta·result + alpha·left @ right.
// Weak, so that a LibTorch without it still links.
__attribute__((weak)) void mkldnn_matmul(const Tensor &left, const Tensor &right, const Tensor &result, float beta,
                                         float alpha);
}  // namespace at::native

namespace {
template <typename F> char *guarded(F &&body) {
    try {
        body();
        return nullptr;
    } catch (const std::exception &error) {
        return strdup(error.what());
    }
}

// LibTorch gives float32 GEMMs to MKL, which does not use AVX-512 on processors of other makers than its own;
// oneDNN does, and is up to twice as fast there.
bool takes_onednn(const at::Tensor &tensor) {
    return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.numel() > 0;
}

// LibTorch refuses to call oneDNN's matrix product on processors without these, where MKL is as fast anyway.
bool processor_has_avx512() {
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

bool onednn_can(const at::Tensor &self, const at::Tensor &left, const at::Tensor &right) {
    static const bool available =
        at::native::mkldnn_matmul != nullptr && at::globalContext().hasMKLDNN() && processor_has_avx512();
    return available && self.is_contiguous() && takes_onednn(self) && takes_onednn(left) && takes_onednn(right);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define APICAL_FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define APICAL_FOR_EACH_PROCESSOR
#endif

// One row of one offset inside the pooling windows: a NaN wins, and of equals the first does, as in LibTorch.
APICAL_FOR_EACH_PROCESSOR
void larger(const float *input, int64_t stride, int64_t count, int32_t index, float *best, int32_t *where) {
    const int32_t step = static_cast<int32_t>(stride);
    if (stride == 2) {  // a constant lets the compiler vectorise
        for (int64_t x = 0; x < count; ++x) {
            const float value = input[2 * x];
            const bool wins = (value > best[x]) | (value != value);
            best[x] = wins ? value : best[x];
            where[x] = wins ? index + 2 * static_cast<int32_t>(x) : where[x];
        }
        return;
    }
    for (int64_t x = 0; x < count; ++x) {
        const float value = input[stride * x];
        const bool wins = (value > best[x]) | (value != value);
        best[x] = wins ? value : best[x];
        where[x] = wins ? index + step * static_cast<int32_t>(x) : where[x];
    }
}

// tanh as a quotient of polynomials in x (odd over even), fitted on ±7.905, beyond which float32 knows only ±1; at most
// 5 units in the last place off. MKL's vector tanh, which LibTorch calls, takes ten times as long on processors of other
// makers than its own, and was a sixth of a step of difference target propagation.
APICAL_FOR_EACH_PROCESSOR
void tanh_of(float *values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        float x = values[i];
        x = x > 7.90531110763549805F ? 7.90531110763549805F : x;  // a NaN stays one
        x = x < -7.90531110763549805F ? -7.90531110763549805F : x;
        const float square = x * x;
        float odd = -2.76076847742355e-16F;
        odd = odd * square + 2.00018790482477e-13F;
        odd = odd * square - 8.60467152213735e-11F;
        odd = odd * square + 5.12229709037114e-08F;
        odd = odd * square + 1.48572235717979e-05F;
        odd = odd * square + 6.37261928875436e-04F;
        odd = odd * square + 4.89352455891786e-03F;
        float even = 1.19825839466702e-06F;
        even = even * square + 1.18534705686654e-04F;
        even = even * square + 2.26843463243900e-03F;
        even = even * square + 4.89352518554385e-03F;
        values[i] = x * odd / even;
    }
}

int64_t divided_up(int64_t left, int64_t right) { return (left + right - 1) / right; }
}  // namespace

extern "C" {

char *apical_addmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha) {
    return guarded([&] {
        if (onednn_can(*self, *left, *right) && alpha != 0.0) {
            at::native::mkldnn_matmul(*left, *right, *self, static_cast<float>(beta), static_cast<float>(alpha));
        } else {
            self->addmm_(*left, *right, beta, alpha);
        }
    });
}

char *apical_baddbmm_(at::Tensor *self, const at::Tensor *left, const at::Tensor *right, double beta, double alpha) {
    return guarded([&] {
        if (onednn_can(*self, *left, *right) && alpha != 0.0) {
            at::native::mkldnn_matmul(*left, *right, *self, static_cast<float>(beta), static_cast<float>(alpha));
        } else {
            self->baddbmm_(*left, *right, beta, alpha);
        }
    });
}

char *apical_matmul(const at::Tensor *left, const at::Tensor *right, const at::Tensor *bias, at::Tensor **out) {
    return guarded([&] {
        auto shape = left->sizes().vec();
        shape.back() = right->size(-1);
        auto result = at::empty(shape, left->options());
        if (bias != nullptr) result.copy_(*bias);
        if (onednn_can(result, *left, *right)) {
            at::native::mkldnn_matmul(*left, *right, result, bias == nullptr ? 0.0F : 1.0F, 1.0F);
        } else if (left->dim() == 3) {
            result.baddbmm_(*left, *right, bias == nullptr ? 0.0 : 1.0, 1.0);
        } else {
            result.addmm_(*left, *right, bias == nullptr ? 0.0 : 1.0, 1.0);
        }
        *out = new at::Tensor(std::move(result));
    });
}

// LibTorch's own kernel is scalar for maps in the usual layout, and was a third of a LeNet's step.
char *apical_max_pool2d(const at::Tensor *maps, int64_t kernel, int64_t stride, int64_t padding, at::Tensor **out,
                        at::Tensor **indices) {
    return guarded([&] {
        const auto input = maps->contiguous();
        const int64_t samples = input.size(0), channels = input.size(1);
        const int64_t height = input.size(2), width = input.size(3);
        const int64_t rows = (height + 2 * padding - kernel) / stride + 1;
        const int64_t columns = (width + 2 * padding - kernel) / stride + 1;
        auto best = at::empty({samples, channels, rows, columns}, input.options());
        auto where = at::empty({samples, channels, rows, columns}, input.options().dtype(at::kLong));
        const float *from = input.const_data_ptr<float>();
        float *to = best.mutable_data_ptr<float>();
        int64_t *to_where = where.mutable_data_ptr<int64_t>();
        std::vector<int32_t> row_where(columns);
        for (int64_t plane = 0; plane < samples * channels; ++plane, from += height * width) {
            for (int64_t row = 0; row < rows; ++row, to += columns, to_where += columns) {
                const int64_t top = row * stride - padding;
                const int64_t first = std::max<int64_t>(top, 0), last = std::min(top + kernel, height);
                for (int64_t column = 0; column < columns; ++column) {
                    to[column] = -std::numeric_limits<float>::infinity();
                    row_where[column] =
                        static_cast<int32_t>(first * width + std::max<int64_t>(column * stride - padding, 0));
                }
                for (int64_t y = first; y < last; ++y) {
                    for (int64_t offset = 0; offset < kernel; ++offset) {
                        // The windows whose value at this offset lies inside the map.
                        const int64_t begin = offset >= padding ? 0 : divided_up(padding - offset, stride);
                        const int64_t end = std::min(columns, (width - 1 + padding - offset) / stride + 1);
                        const int64_t x = begin * stride - padding + offset;
                        larger(from + y * width + x, stride, end - begin, static_cast<int32_t>(y * width + x),
                               to + begin, row_where.data() + begin);
                    }
                }
                std::copy(row_where.begin(), row_where.end(), to_where);
            }
        }
        *out = new at::Tensor(std::move(best));
        *indices = new at::Tensor(std::move(where));
    });
}

char *apical_tanh_(at::Tensor *self) {
    return guarded([&] {
        if (self->is_cpu() && self->scalar_type() == at::kFloat && self->is_contiguous() && !self->requires_grad()) {
            tanh_of(self->mutable_data_ptr<float>(), self->numel());
        } else {
            self->tanh_();
        }
    });
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

void apical_reuse_freed_memory() {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc accepts
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    mallopt(M_TOP_PAD, 16 << 20);
#endif
}

void apical_free_message(char *message) { std::free(message); }
}
