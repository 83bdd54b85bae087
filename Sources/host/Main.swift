import Glibc
import HostModel
import PluginHost

/// The command: reads its arguments, has the work done, prints what came of it.
@main
struct Main {
    /// Exit status: 0 done, 1 refused or failed, 2 usage.
    ///
    /// What confines itself does so here, before there is a second thread: a thread that was there
    /// before would not be bound.
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        if words.first == "probe" { ProbeProcess.main() }
        if words.first == "confine" { exit(ConfineCommand.main(Array(words.dropFirst()))) }
        if words.first == "worker" { WorkerProcess.confine(Array(words.dropFirst())) }
        Task.detached {
            await perform(words)
            exit(0)
        }
        FirstThread.attend()
    }

    private static func perform(_ arguments: [String]) async {
        var words = arguments
        if words.first == "worker" { exit(await WorkerProcess.main()) }
        if words.first == Generator.verb, words.count >= 2 {
            guard let text = Generator.text(words[1], binary: words.dropFirst(2).first ?? "host")
            else { exit(2) }
            Output.print(text)
            return
        }
        var role = Role.command
        do {
            role = try Role(&words)
            switch try Invocation.parse(words) {
            case .help(let verb): Output.print(verb?.help ?? Verb.overview)
            case .version: Output.print("host \(HostVersion.text)\n")
            case .run(let invocation):
                try await Performer(invocation, role: role, words: words).perform()
            }
            role.end(0)
        } catch let error as Invocation.UsageError {
            let usage = error.verb.map { "usage: \($0.usage)" } ?? "see: host --help"
            Output.complain("error: \(Escaping.printable(error.message))\n\(usage)\n")
            exit(2)
        } catch let error as HostError {
            Output.complain(error.description + "\n")
            role.end(1)
            exit(1)
        } catch {
            Output.complain("error: \(error)\n")
            role.end(1)
            exit(1)
        }
    }
}

/// The two places that a command writes to.
enum Output {
    static func print(_ text: String) { CommandEnvironment.write(text, to: .output) }

    static func complain(_ text: String) { CommandEnvironment.write(text, to: .errors) }
}
