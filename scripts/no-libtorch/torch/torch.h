// Found by torch-sys's C++ only where there is no LibTorch to build against (.cargo/config.toml puts this folder last).
#error "LibTorch is not set up here: run scripts/libtorch.sh (make does so by itself), then build again"
// A header that does not exist ends the compilation: no wall of further errors.
#include "LibTorch is missing: run scripts/libtorch.sh"
