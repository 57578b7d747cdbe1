//! The binary: hands over to the library, where the verbs are.

/// The engine's work is many small allocations of a few sizes, by few threads: the C library's
/// allocator took two fifths of a busy engine's time (docs/decisions/0028-mimalloc.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    setpoint::main()
}
