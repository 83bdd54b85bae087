internal import CLinux
internal import DynamicLibrary
internal import Glibc
internal import HostModel

/// A program that is tried before a supervisor becomes it.
struct ProgramTrial {
    let pid: Int32
    let pidfd: Int32
    let path: String
}

/// Becoming another program: SIGUSR2.
///
/// The process stays, and with it everything that it holds and started. The program in its place is
/// asked first whether it would understand what it is given.
extension Supervisor {
    /// The path of the program that lies in the place of the running one.
    private static var programPath: String? {
        guard let path = SymbolicLink.target(of: "/proc/self/exe") else { return nil }
        let gone = " (deleted)"
        return path.hasSuffix(gone) ? String(path.dropLast(gone.count)) : path
    }

    /// Runs the program that lies in the place of this one, for it to say that it understands.
    func tryProgram() {
        guard !isStopping, isReady, trial == nil, case .none = succession else {
            return log.write(.warning, "SIGUSR2: the host is busy with that")
        }
        guard let path = Self.programPath, let bequest = bequest else {
            return log.write(.error, "SIGUSR2: the program cannot be found")
        }
        defer { linux_close(bequest.children) }
        var pidfd: Int32 = -1
        let words = ["host", Bequest.verb, bequest.text, Bequest.check] + arguments
        let pid = unsafe EngineProcess.withStrings(words) { argv in
            unsafe linux_start(path, argv, [], 0, &pidfd)
        }
        guard pid > 0 else {
            let reason = HostError.system("", subject: "", errno: -pid).reasons.first ?? ""
            return log.write(.error, "SIGUSR2: \(path) cannot be started: \(reason)")
        }
        trial = ProgramTrial(pid: pid, pidfd: pidfd, path: path)
    }

    func concludeTrial() {
        guard let trial else { return }
        self.trial = nil
        let status = linux_await_end(trial.pid)
        close(trial.pidfd)
        guard status == 0 else {
            return log.write(
                .error, "SIGUSR2: \(trial.path) does not understand its task (\(status))")
        }
        become(trial.path)
    }

    private func become(_ path: String) {
        guard let bequest else { return }
        defer { linux_close(bequest.children) }
        log.write(.info, "SIGUSR2: becoming \(path)")
        log.flush()
        unsafe linux_keep_signals(Self.handed + [0])
        for descriptor in bequest.descriptors { _ = linux_keep_open(descriptor, 1) }
        let words = ["host", Bequest.verb, bequest.text] + arguments
        let failure = unsafe EngineProcess.withStrings(words) { unsafe linux_become(path, $0) }
        for descriptor in bequest.descriptors { _ = linux_keep_open(descriptor, 0) }
        unsafe linux_release_signals(Self.handed + [0])
        log.write(.error, "SIGUSR2: \(path) could not be run (errno \(-failure))")
    }

    /// What this process would leave.
    private var bequest: Bequest? {
        guard let engine else { return nil }
        let engines = [engine] + retiring
        return Bequest(
            lock: lock.descriptor, admin: admin, listeners: listeners, activated: activated,
            processes: engines.map { [$0.pid, $0.pidfd, $0.wire, $0.box.descriptor] },
            doors: doors, children: Bequest.note(children, last: lastChild, engines),
            kept: children.flatMap { [$0.pidfd] + $0.descriptors })
    }
}
