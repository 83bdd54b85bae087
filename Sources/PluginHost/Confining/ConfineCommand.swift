import Confinement
import Glibc
import HostModel

/// The hidden command `host confine OPTIONS -- COMMAND...`: a process that confines itself and then
/// becomes another program.
package enum ConfineCommand {
    /// Stands before the names of variables that are the program's: the loader must not go by them
    /// before the process is confined.
    private static let mark = "CONFINED_"
    /// What whoever starts a process tells it of its sockets.
    private static let socketMark = "LISTEN_"

    /// An environment that becomes another one when the process is confined.
    static func wrapping(_ environment: [String: String]) -> [String: String] {
        var wrapped = CommandEnvironment.variables(["LD_LIBRARY_PATH"])
        for (name, value) in environment { wrapped[mark + name] = value }
        return wrapped
    }

    /// Does not return unless it failed.
    ///
    /// - Shape: the words as `Confinement.arguments` writes them, then the program, which is found
    ///   along `PATH`, and its arguments. The environment is passed on as it is, unless it is one
    ///   that was wrapped.
    /// - Returns: the exit status: 2 usage, 126 when it could not be confined, 127 when the program
    ///   could not be executed.
    package static func main(_ words: [String]) -> Int32 {
        guard let (asked, command) = Confinement.parse(words), let program = command.first
        else {
            complain("usage: host confine [OPTIONS] -- COMMAND [ARGUMENT...]")
            return 2
        }
        var confinement = asked
        // It is a new program that is to be started.
        confinement.hasProcesses = true
        let environment: [String]?
        do throws(HostError) {
            environment = try unwrapped()
            do throws(ConfinementError) {
                try confinement.apply()
            } catch {
                throw HostError(error)
            }
        } catch {
            complain(error.description)
            return 126
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        if let environment {
            var variables: [UnsafeMutablePointer<CChar>?] = unsafe environment.map {
                unsafe strdup($0)
            }
            unsafe variables.append(nil)
            _ = unsafe execve(program, arguments, variables)
        } else {
            _ = unsafe execvp(program, arguments)
        }
        complain(
            HostError.system("cannot execute a program", subject: program, errno: errno).description
        )
        return 127
    }

    /// The environment that was wrapped, as `NAME=value`; nil: none was.
    private static func unwrapped() throws(HostError) -> [String]? {
        let file = try Descriptor(opening: "/proc/self/environ", flags: O_RDONLY)
        let entries = try file.readAll(bytesMax: 16 << 20).split(separator: 0)
        let wrapped = entries.filter { $0.starts(with: mark.utf8) }
        guard !wrapped.isEmpty else { return nil }
        let own = wrapped.map { $0.dropFirst(mark.utf8.count) }
        return (own + entries.filter { $0.starts(with: socketMark.utf8) }).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private static func complain(_ line: String) {
        CommandEnvironment.write(line + "\n", to: .errors)
    }
}
