import Glibc
import HostModel
import PluginHost

/// Changes a root in a process of its own, so that a test can kill it or let its system calls fail.
///
/// - Shape: `bundle-probe install ROOT ARCHIVE`, `bundle-probe rollback ROOT NAME` or
///   `bundle-probe remove ROOT NAME`; prints the error and exits with 1 when the change is refused.
///   `bundle-probe journal FILE COUNT` makes that many appends, and prints the seconds they took:
///   of one event each, then of 16 events of as many writers that wait together.
@main
struct Probe {
    static func main() {
        // A file-size limit is to be an error, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { exit(2) }
        if arguments[1] == "journal" { return measureJournal(arguments[2], Int(arguments[3]) ?? 0) }
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

    private static func measureJournal(_ path: String, _ count: Int) {
        do throws(HostError) {
            let journal = try Journal(path: path)
            let name = try PluginName(checking: "demo")
            let event = LifecycleEvent(
                .deactivated(reason: "measured"), plugin: name, time: Timestamp(milliseconds: 0))
            let group = Journal.Group(plugin: name, events: [event])
            let clock = ContinuousClock()
            for size in [1, 16] {
                let groups = [Journal.Group](repeating: group, count: size)
                let begun = clock.now
                for _ in 0..<count { _ = try journal.append(groups) }
                print((clock.now - begun) / .seconds(1))
            }
        } catch {
            print(error)
            exit(1)
        }
    }
}
