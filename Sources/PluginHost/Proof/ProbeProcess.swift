import CLinux
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

    private static let orderBytesMax = 64 << 20

    /// Reads what is to be done, takes the steps, prints what they came to and ends the process.
    ///
    /// To be called while the process has one thread: others would not be confined. It may have
    /// been started before there is anything to do, and ends when there never is.
    package static func main() -> Never {
        linux_share_one_arena()
        let voice = ProofVoice()
        do throws(HostError) {
            let text = try order()
            guard !text.isEmpty else { _exit(0) }
            let order = try ProofOrder(json: try JSON.parse(text, source: "the order"))
            TickClock.tell(ticksPerSecond: order.ticksPerSecond)
            if let life = order.life { unsafe setenv("TMPDIR", life.directory.run, 1) }
            let parcel = Parcel(run: ProofRun(order, voice: voice))
            // What may start others is ended with all of them, also when the host is killed.
            if order.confinement.hasProcesses, linux_go_on_guarded() < 0 { _exit(126) }
            try confine(order.confinement)
            // Not on libdispatch's threads, which take longer to come than most steps do.
            let thread = try ControlThread()
            Task.detached(executorPreference: thread) { await finish(parcel, voice) }
        } catch {
            end(error.json, voice)
        }
        while true { pause() }
    }

    /// All of the standard input, which is nothing from then on: it came from the host.
    private static func order() throws(HostError) -> [UInt8] {
        let text = try Descriptor(owning: dup(STDIN_FILENO), path: "the standard input")
            .readAll(bytesMax: orderBytesMax)
        let nothing = try Descriptor(opening: "/dev/null", flags: O_RDONLY)
        dup2(nothing.number, STDIN_FILENO)
        return text
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
