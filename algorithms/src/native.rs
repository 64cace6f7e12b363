//! The few LibTorch calls that tch does not expose: GEMMs in place with their scale factors and by the
//! faster of LibTorch's two libraries, the two halves of a convolution's adjoint; and max-pooling and tanh, which
//! LibTorch computes slowly. They are the hot path of every rule, and the only `unsafe` code of this crate.
#![expect(unsafe_code, reason = "calls into LibTorch's C++ interface through native/apical_native.cpp")]

use std::ffi::{CStr, c_char};
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn apical_addmm_(
        own: *mut C_tensor,
        left: *const C_tensor,
        right: *const C_tensor,
        beta: f64,
        alpha: f64,
    ) -> *mut c_char;
    fn apical_baddbmm_(
        own: *mut C_tensor,
        left: *const C_tensor,
        right: *const C_tensor,
        beta: f64,
        alpha: f64,
    ) -> *mut c_char;
    fn apical_axpby_(own: *mut C_tensor, beta: f64, alpha: f64, other: *const C_tensor) -> *mut c_char;
    fn apical_convolution_backward(
        error: *const C_tensor,
        input: *const C_tensor,
        weight: *const C_tensor,
        stride: i64,
        padding: i64,
        want_input: bool,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn apical_matmul(
        left: *const C_tensor,
        right: *const C_tensor,
        bias: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn apical_max_pool2d(
        maps: *const C_tensor,
        kernel: i64,
        stride: i64,
        padding: i64,
        out: *mut *mut C_tensor,
        indices: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn apical_tanh_(own: *mut C_tensor) -> *mut c_char;
    fn apical_reuse_freed_memory();
    fn apical_free_message(message: *mut c_char);
}

/// Panics with LibTorch's message, as tch's own methods do: a shape mismatch here is a bug of ours.
fn check(call: &str, message: *mut c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: a non-null message is a NUL-terminated string from `strdup`, freed exactly once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        apical_free_message(message);
        text
    };
    panic!("{call}: {text}");
}

/// `own ← beta·own + alpha·left @ right`, in place: `[n, m]`, `[n, k]`, `[k, m]`.
pub fn addmm_(own: &mut Tensor, left: &Tensor, right: &Tensor, beta: f64, alpha: f64) {
    // SAFETY: the pointers come from live tensors; the shim catches every C++ exception.
    check("addmm_", unsafe { apical_addmm_(own.as_mut_ptr(), left.as_ptr(), right.as_ptr(), beta, alpha) });
}

/// `own ← beta·own + alpha·left @ right` for each matrix of a stack: `[p, n, m]`, `[p, n, k]`, `[p, k, m]`.
pub fn baddbmm_(own: &mut Tensor, left: &Tensor, right: &Tensor, beta: f64, alpha: f64) {
    // SAFETY: as in `addmm_`.
    check("baddbmm_", unsafe {
        apical_baddbmm_(own.as_mut_ptr(), left.as_ptr(), right.as_ptr(), beta, alpha)
    });
}

/// `left @ right (+ bias)`: `[n, k]`, `[k, m]`, and a bias that broadcasts to `[n, m]`; or a stack of them.
pub fn matmul(left: &Tensor, right: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let mut out: *mut C_tensor = std::ptr::null_mut();
    let bias = bias.map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: as in `addmm_`; on success `out` is a fresh heap tensor whose ownership passes to tch.
    unsafe {
        check("matmul", apical_matmul(left.as_ptr(), right.as_ptr(), bias, &raw mut out));
        Tensor::from_ptr(out)
    }
}

/// The maximum of each window and where it was found, as `max_pool2d_with_indices` gives them; float32 on
/// the CPU, `[batch, channels, height, width]`.
pub fn max_pool2d(maps: &Tensor, kernel: i64, stride: i64, padding: i64) -> (Tensor, Tensor) {
    let mut out: *mut C_tensor = std::ptr::null_mut();
    let mut indices: *mut C_tensor = std::ptr::null_mut();
    // SAFETY: as in `matmul`, for both tensors.
    unsafe {
        let message =
            apical_max_pool2d(maps.as_ptr(), kernel, stride, padding, &raw mut out, &raw mut indices);
        check("max_pool2d", message);
        (Tensor::from_ptr(out), Tensor::from_ptr(indices))
    }
}

/// `own ← beta·own + alpha·other`, in place and without a temporary.
pub fn axpby_(own: &mut Tensor, beta: f64, alpha: f64, other: &Tensor) {
    // SAFETY: as in `addmm_`.
    check("axpby_", unsafe { apical_axpby_(own.as_mut_ptr(), beta, alpha, other.as_ptr()) });
}

/// `own ← tanh(own)`, in place; in float32 on the CPU within 5 units in the last place.
pub fn tanh_(own: &mut Tensor) {
    // SAFETY: as in `addmm_`.
    check("tanh_", unsafe { apical_tanh_(own.as_mut_ptr()) });
}

/// Which adjoint of a convolution is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionAdjoint {
    /// With respect to the input; only the shape of `input` is read.
    Input,
    /// With respect to the weight; only the shape of `weight` is read.
    Weight,
}

/// The adjoint of `conv2d(input, weight, stride, padding)` at `error` (`[batch, out, h', w']`).
pub fn convolution_backward(
    error: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    stride: i64,
    padding: i64,
    adjoint: ConvolutionAdjoint,
) -> Tensor {
    let mut out: *mut C_tensor = std::ptr::null_mut();
    let want_input = adjoint == ConvolutionAdjoint::Input;
    // SAFETY: as in `addmm_`; on success `out` is a fresh heap tensor whose ownership passes to tch.
    unsafe {
        let message = apical_convolution_backward(
            error.as_ptr(),
            input.as_ptr(),
            weight.as_ptr(),
            stride,
            padding,
            want_input,
            &raw mut out,
        );
        check("convolution_backward", message);
        Tensor::from_ptr(out)
    }
}

/// Keeps memory that was freed for the next step of the process instead of handing it back to the system,
/// which a step would otherwise do and undo again and again (a third of a small convolutional network's
/// time). For a process that trains, once, before it does.
pub fn reuse_freed_memory() {
    // SAFETY: `mallopt` may be called at any time.
    unsafe { apical_reuse_freed_memory() }
}
