import Confinement
import Glibc
import HostModel

extension ProcessCommand {
    /// The same program, started by way of `host confine`.
    ///
    /// It may read what it consists of as well.
    func confined(by confinement: Confinement) -> ProcessCommand {
        var confinement = confinement
        confinement.readable += Self.parts(of: executable)
        var command = self
        command.executable = CommandEnvironment.executable
        command.arguments =
            ["confine"] + confinement.arguments + [executable] + arguments
        command.environment = ConfineCommand.wrapping(environment)
        return command
    }

    /// The file of a program, and what lies beside it where programs are installed together.
    private static func parts(of program: String) -> [String] {
        guard let real = unsafe realpath(program, nil) else { return [program] }
        defer { unsafe free(real) }
        let path = unsafe String(cString: real)
        let folders = path.split(separator: "/")
        let prefix = "/" + folders.dropLast(2).joined(separator: "/")
        let folder = folders.dropLast().last
        // Managers of versions (pyenv, rbenv, asdf) keep scripts there that look for the program.
        if folder == "shims" { return [path, prefix] }
        guard folder == "bin" else { return [path] }
        let places = ["lib", "lib64", "libexec", "share", "bin"].map { prefix + "/" + $0 }
        return [path] + places.filter(Directory.isDirectory)
    }
}
