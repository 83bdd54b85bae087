import HostModel
import PluginHost

/// What a process that serves was started for.
enum Role {
    /// By somebody who wants a host.
    case command
    /// By a supervisor, to do the work.
    case engine(EngineSeat)
    /// By a supervisor, which has become this program, or wants to know whether it could.
    case program(Bequest, isTrial: Bool)

    /// Finds out, and leaves a command line of `serve`.
    init(_ words: inout [String]) throws(HostError) {
        let second = words.dropFirst().first ?? ""
        switch words.first {
        case EngineSeat.verb:
            self = .engine(try EngineSeat(second))
            words.removeFirst(2)
        case Bequest.verb:
            let isTrial = words.dropFirst(2).first == Bequest.check
            self = .program(try Bequest(second), isTrial: isTrial)
            words.removeFirst(isTrial ? 3 : 2)
        default:
            self = .command
            return
        }
        words.insert(Verb.serve.rawValue, at: 0)
    }

    /// Tells whom it concerns that the process ends by itself, with that status.
    func end(_ status: Int32) {
        if case .engine(let seat) = self { seat.end(status) }
    }
}
