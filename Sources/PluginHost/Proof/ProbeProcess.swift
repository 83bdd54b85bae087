import Confinement
import Glibc
import HostModel

/// `host probe`: the child of a proof, which confines itself and then runs code that nobody trusts
/// yet.
package enum ProbeProcess {
    /// A run that is handed to its one task.
    private struct Parcel: @unchecked Sendable {  // because whoever made it lets go of it
        let run: ProofRun
    }

    /// Takes the steps, prints what they came to and ends the process.
    ///
    /// To be called while the process has one thread: others would not be confined.
    ///
    /// - Parameter words: a `Confinement`, `--`, the library, the plugin's name, and options.
    package static func main(_ words: [String]) -> Never {
        guard let (confinement, arguments) = Confinement.parse(words), arguments.count >= 2,
            let name = PluginName(arguments[1])
        else { _exit(2) }
        let options = Array(arguments.dropFirst(2))
        let voice = ProofVoice()
        do throws(HostError) {
            let directory = options.firstIndex(of: Probe.Option.plan)
                .flatMap { options.dropFirst($0 + 1).first }
            var plan: ProofPlan?
            if let directory { plan = try ProofPlan(directory: directory, name: name) }
            let parcel = Parcel(
                run: try ProofRun(
                    library: arguments[0], name: name,
                    keeps: options.contains(Probe.Option.keep), voice: voice, plan: plan))
            try confine(confinement)
            Task.detached { await finish(parcel, voice) }
        } catch {
            end(error.json, voice)
        }
        while true { pause() }
    }

    private static func finish(_ parcel: Parcel, _ voice: ProofVoice) async {
        do throws(HostError) {
            end(try await parcel.run.carryOut(), voice)
        } catch {
            end(error.json, voice)
        }
    }

    /// Ends at once: what a plugin leaves to be done at the exit could hang or crash.
    private static func end(_ json: JSONValue, _ voice: ProofVoice) -> Never {
        voice.say(json)
        _exit(0)
    }

    private static func confine(_ confinement: Confinement) throws(HostError) {
        do throws(ConfinementError) {
            try confinement.apply()
        } catch {
            throw HostError(error)
        }
    }
}
