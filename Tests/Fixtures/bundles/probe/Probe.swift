import Glibc
import HostModel
import PluginHost

/// Changes a root in a process of its own, so that a test can kill it or let its system calls fail.
///
/// - Shape: `bundle-probe install ROOT ARCHIVE`, `bundle-probe rollback ROOT NAME` or
///   `bundle-probe remove ROOT NAME`; prints the error and exits with 1 when the change is refused.
@main
struct Probe {
    static func main() {
        // A file-size limit is to be an error, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { exit(2) }
        let installer = Installer(RootLayout(root: arguments[2]))
        do throws(HostError) {
            switch arguments[1] {
            case "install":
                _ = try installer.install(try installer.prepare(archive: arguments[3]))
            case "rollback":
                _ = try installer.rollback(try PluginName(checking: arguments[3]))
            case "remove":
                _ = try installer.remove(try PluginName(checking: arguments[3]), keepData: false)
            default: exit(2)
            }
        } catch {
            print(error)
            exit(1)
        }
    }
}
