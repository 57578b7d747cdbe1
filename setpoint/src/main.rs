//! The binary: hands over to the library, where the verbs are.

fn main() -> std::process::ExitCode {
    setpoint::main()
}
