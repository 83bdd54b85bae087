internal import DynamicLibrary
internal import Glibc
internal import HostModel

/// One engine takes over from another, and nobody notices.
///
/// 1. The old one stops changing the root, and says so; it serves on.
/// 2. The new one starts on the same listeners, and says when it serves.
/// 3. The old one takes leave of its clients and ends.
///
/// Until the new one serves, everything can be taken back.
extension Supervisor {
    enum Succession {
        case none
        /// The engine has been told to stop changing anything.
        case freezing(until: Duration)
        /// A successor starts.
        case starting(EngineProcess, until: Duration)

        var successor: EngineProcess? {
            if case .starting(let process, _) = self { return process }
            return nil
        }

        var until: Duration? {
            switch self {
            case .none: nil
            case .freezing(let until), .starting(_, let until): until
            }
        }
    }

    /// How long each step may take.
    private static let patience = Duration.seconds(60)

    func beginSuccession(_ reason: String) {
        guard let engine, case .none = succession, !isStopping, isReady else { return }
        log.write(.info, "engine \(engine.pid) is to be replaced: \(reason)")
        succession = .freezing(until: EngineProcess.now + Self.patience)
        engine.tell(.freeze)
    }

    func startSuccessor() {
        guard case .freezing = succession else { return }
        do throws(HostError) {
            let successor = try startProcess(after: .well, try Self.makeBox())
            succession = .starting(successor, until: EngineProcess.now + Self.patience)
        } catch {
            giveUpSuccession(error.description)
        }
    }

    func successorIsReady(_ process: EngineProcess) {
        guard let successor = succession.successor, successor === process, let former = engine
        else { return }
        succession = .none
        engine = successor
        retiring.append(former)
        for child in children { child.lender = nil }
        former.tell(.retire)
        notifier.tell("STATUS=engine \(successor.pid) serves")
        log.write(.info, "engine \(successor.pid) serves in the place of \(former.pid)")
    }

    /// Lets the engine go on as it was.
    func giveUpSuccession(_ reason: String) {
        let successor = succession.successor
        if case .none = succession { return }
        succession = .none
        log.write(.error, "the engine is not replaced: \(reason)")
        if let successor {
            successor.send(signal: SIGKILL)
            _ = successor.reap()
            giveBackChildren(of: successor)
            successor.box.close()
        }
        engine?.tell(.thaw)
    }

    /// The end of a process that did not serve, or no longer.
    func lost(_ process: EngineProcess, _ status: Int32) {
        giveBackChildren(of: process)
        if let index = retiring.firstIndex(where: { $0 === process }) {
            retiring.remove(at: index)
            if process.announced != status {
                let record = process.box.takeRecord().map { ": \($0.summary)" } ?? ""
                log.write(.warning, "engine \(process.pid) ended while it took leave" + record)
            }
            process.box.close()
        } else if let successor = succession.successor, successor === process {
            succession = .none
            log.write(.error, "the engine is not replaced: its successor did not come up")
            process.box.close()
            engine?.tell(.thaw)
        }
    }
}
