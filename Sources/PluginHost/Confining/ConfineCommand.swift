import Confinement
import Glibc
import HostModel

/// The hidden command `host confine OPTIONS -- COMMAND...`: a process that confines itself and then
/// becomes another program.
package enum ConfineCommand {
    /// Does not return unless it failed.
    ///
    /// - Shape: the words as `Confinement.arguments` writes them, then the program, which is found
    ///   along `PATH`, and its arguments. The environment is passed on as it is.
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
        do throws(ConfinementError) {
            try confinement.apply()
        } catch {
            complain(error.description)
            return 126
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        _ = unsafe execvp(program, arguments)
        complain(
            HostError.system("cannot execute a program", subject: program, errno: errno).description
        )
        return 127
    }

    private static func complain(_ line: String) {
        CommandEnvironment.write(line + "\n", to: .errors)
    }
}
