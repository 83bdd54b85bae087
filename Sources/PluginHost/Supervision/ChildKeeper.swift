internal import CLinux
internal import Glibc
internal import HostModel
internal import Synchronization

/// The thread that starts children, listens to them and reaps them.
///
/// There is one, and it never ends: the kernel kills a child when the thread ends that it was
/// started by. What is to outlive this process is started and reaped by the supervisor instead, if
/// there is one.
final class ChildKeeper: Sendable {
    typealias Started = @Sendable (Result<ChildProcess, HostError>) -> Void

    static let shared = ChildKeeper()

    private struct Order: Sendable {
        let plan: ChildProcess.Plan
        let voice: ChildVoice
        let started: Started
    }

    /// What there is of the supervisor's children.
    private enum News: Sendable {
        case launched(Order, Result<SupervisorLine.Launched, HostError>, Int32, Int32)
        case adopted(ChildProcess, Int32, ChildVoice, Int32, Int32)
        case ended(Int32, ChildProcess.End)
        /// Somebody waits until whatever came before has been taken in.
        case nothing(CheckedContinuation<Void, Never>)
    }

    private struct State {
        var orders: [Order] = []
        var news: [News] = []
        var line: SupervisorLine?
        var hasThread = false
    }

    /// A child and the pipes that it prints to.
    private struct Kept {
        let child: ChildProcess
        /// -1: another process sees its end.
        let pidfd: Int32
        /// What the supervisor knows it by.
        var id: Int32?
        var output: Int32
        var errors: Int32
        var voice: ChildVoice
    }

    private let state = Mutex(State())
    private let bell: Int32 = linux_wakeup_create()

    /// Has a program started; `started` is called on the keeper's thread.
    func start(_ plan: ChildProcess.Plan, _ voice: ChildVoice, _ started: @escaping Started) {
        let needsThread = state.withLock { state in
            state.orders.append(Order(plan: plan, voice: voice, started: started))
            defer { state.hasThread = true }
            return !state.hasThread
        }
        if needsThread, !OwnThread.start("children", { self.run() }) {
            let code = errno
            let orders = state.withLock { state in
                state.hasThread = false
                defer { state.orders = [] }
                return state.orders
            }
            for order in orders {
                order.started(
                    .failure(
                        Self.failure(order.plan, .system("no thread", subject: "", errno: code)))
                )
            }
            return
        }
        _ = linux_wakeup_signal(bell)
    }

    // MARK: - The supervisor's children

    /// Has what is to outlive this process started by the supervisor from now on.
    func rely(on line: SupervisorLine) { state.withLock { $0.line = line } }

    /// Whether children can outlive this process.
    var hasSupervisor: Bool { state.withLock { $0.line != nil } }

    /// Goes on with a child that another engine has had started.
    func adopt(
        _ survivor: Survivor, pidfd: Int32, output: Int32, errors: Int32, _ voice: ChildVoice
    ) -> ChildProcess {
        let child = ChildProcess(pid: survivor.pid, pidfd: pidfd, isOwn: false)
        post(.adopted(child, survivor.id, voice, output, errors))
        return child
    }

    /// Takes in that a child of the supervisor's has ended, or is another engine's now.
    func ended(_ id: Int32, _ end: ChildProcess.End) { post(.ended(id, end)) }

    /// Returns when the ends that it has been told so far have been told on.
    func settle() async {
        guard state.withLock({ $0.hasThread }) else { return }
        await withCheckedContinuation { post(.nothing($0)) }
    }

    private func post(_ news: News) {
        let needsThread = state.withLock { state in
            state.news.append(news)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        if needsThread, !OwnThread.start("children", { self.run() }) {
            state.withLock { $0.hasThread = false }
        }
        _ = linux_wakeup_signal(bell)
    }

    /// Has the supervisor start a child; the answer comes as news.
    private func delegate(_ order: Order, to line: SupervisorLine) {
        var output: [Int32] = [-1, -1]
        var errors: [Int32] = [-1, -1]
        var failure = Self.pipe(&output)
        if failure == nil { failure = Self.pipe(&errors) }
        let ends = (output, errors)
        if let failure {
            for fd in output + errors where fd >= 0 { linux_close(fd) }
            return order.started(
                .failure(
                    Self.failure(
                        order.plan, .system("", subject: order.plan.executable, errno: failure))))
        }
        line.launch(order.plan, output: output, errors: errors) { [self] result in
            post(
                .launched(
                    order,
                    result.mapError {
                        Self.failure(
                            order.plan,
                            .system("", subject: order.plan.executable, errno: $0.number))
                    }, ends.0[0], ends.1[0]))
        }
        for fd in [output[1], errors[1]] { linux_close(fd) }
    }

    /// Takes in what the supervisor has told.
    ///
    /// - Parameter early: the ends of children that are not known yet.
    private static func take(
        _ news: News, _ kept: inout [Kept], _ early: inout [Int32: ChildProcess.End]
    ) {
        func keep(
            _ child: ChildProcess, _ id: Int32, _ voice: ChildVoice, _ output: Int32,
            _ errors: Int32
        ) {
            for fd in [output, errors] {
                _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
            }
            kept.append(
                Kept(
                    child: child, pidfd: -1, id: id, output: output, errors: errors,
                    voice: voice))
        }
        switch news {
        case .launched(let order, .failure(let error), let output, let errors):
            for fd in [output, errors] { linux_close(fd) }
            return order.started(.failure(error))
        case .launched(let order, .success(let launched), let output, let errors):
            let child = ChildProcess(pid: launched.pid, pidfd: launched.pidfd, isOwn: false)
            keep(child, launched.id, order.voice, output, errors)
            order.started(.success(child))
        case .adopted(let child, let id, let voice, let output, let errors):
            keep(child, id, voice, output, errors)
        case .ended(let id, let end): early[id] = end
        case .nothing(let waiting): return waiting.resume()
        }
        for index in kept.indices.reversed() {
            guard let id = kept[index].id, let end = early.removeValue(forKey: id) else {
                continue
            }
            if end == .handedOver {
                for fd in [kept[index].output, kept[index].errors] where fd >= 0 {
                    linux_close(fd)
                }
            } else {
                hearOut(&kept[index])
            }
            kept.remove(at: index).child.conclude(end)
        }
    }

    // MARK: - The thread

    private func run() {
        var kept: [Kept] = []
        var early: [Int32: ChildProcess.End] = [:]
        while true {
            var waiting = [pollfd(fd: bell, events: Int16(POLLIN), revents: 0)]
            for entry in kept {
                for fd in [entry.output, entry.errors, entry.pidfd] {
                    waiting.append(pollfd(fd: fd, events: Int16(POLLIN), revents: 0))
                }
            }
            guard unsafe poll(&waiting, UInt(waiting.count), -1) > 0 else { continue }
            if waiting[0].revents != 0 { _ = linux_wakeup_clear(bell) }
            for index in kept.indices {
                let at = 1 + 3 * index
                if waiting[at].revents != 0 { Self.listen(&kept[index], isErrors: false) }
                if waiting[at + 1].revents != 0 { Self.listen(&kept[index], isErrors: true) }
            }
            var alive: [Kept] = []
            for index in kept.indices {
                if waiting[3 + 3 * index].revents != 0 {
                    Self.hearOut(&kept[index])
                    kept[index].child.reap()
                } else {
                    alive.append(kept[index])
                }
            }
            kept = alive
            let (orders, news, line) = state.withLock { state in
                defer { (state.orders, state.news) = ([], []) }
                return (state.orders, state.news, state.line)
            }
            for one in news { Self.take(one, &kept, &early) }
            for order in orders {
                if order.plan.legacy != nil, let line {
                    delegate(order, to: line)
                    continue
                }
                switch Self.launch(order) {
                case .success(let entry):
                    kept.append(entry)
                    order.started(.success(entry.child))
                case .failure(let error): order.started(.failure(error))
                }
            }
        }
    }

    /// Takes what it printed; at most one read, so that nobody keeps the thread to himself.
    private static func listen(_ entry: inout Kept, isErrors: Bool) {
        let fd = isErrors ? entry.errors : entry.output
        guard fd >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let count = unsafe read(fd, &buffer, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        if count > 0 {
            tell(
                &entry, isErrors,
                isErrors
                    ? entry.voice.errors.take(buffer[..<count])
                    : entry.voice.output.take(buffer[..<count]))
            return
        }
        tell(&entry, isErrors, isErrors ? entry.voice.errors.finish() : entry.voice.output.finish())
        linux_close(fd)
        if isErrors { entry.errors = -1 } else { entry.output = -1 }
    }

    private static func tell(_ entry: inout Kept, _ isErrors: Bool, _ lines: [String]) {
        let level = isErrors ? entry.voice.errors.level : entry.voice.output.level
        for line in lines {
            if isErrors { entry.child.note(lastWords: line) }
            entry.voice.log.write(level, line, about: entry.voice.subject)
        }
    }

    /// The most reads of what an ended child has left in its pipes: all that a pipe holds.
    private static let lastReadsMax = 64

    /// Takes what is left of the output.
    private static func hearOut(_ entry: inout Kept) {
        for isErrors in [false, true] {
            for _ in 0..<lastReadsMax {
                let fd = isErrors ? entry.errors : entry.output
                guard fd >= 0 else { break }
                var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&waiting, 1, 0) > 0 else { break }
                listen(&entry, isErrors: isErrors)
            }
            let fd = isErrors ? entry.errors : entry.output
            if fd >= 0 {
                let rest = isErrors ? entry.voice.errors.finish() : entry.voice.output.finish()
                tell(&entry, isErrors, rest)
                linux_close(fd)
            }
        }
    }

    private static func launch(_ order: Order) -> Result<Kept, HostError> {
        var output: [Int32] = [-1, -1]
        var errors: [Int32] = [-1, -1]
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer {
            for fd in [null, output[1], errors[1]] where fd >= 0 { linux_close(fd) }
        }
        var failure = null < 0 ? errno : 0
        if failure == 0, let refusal = Self.pipe(&output) { failure = refusal }
        if failure == 0, let refusal = Self.pipe(&errors) { failure = refusal }
        var pidfd: Int32 = -1
        var pid: Int32 = -1
        if failure == 0 {
            pid = launch(order.plan, null, output[1], errors[1], &pidfd)
            if pid < 0 { failure = -pid }
        }
        guard failure == 0 else {
            for fd in [output[0], errors[0]] where fd >= 0 { linux_close(fd) }
            return .failure(
                Self.failure(
                    order.plan, .system("", subject: order.plan.executable, errno: failure)))
        }
        for fd in [output[0], errors[0]] {
            _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
        }
        return .success(
            Kept(
                child: ChildProcess(pid: pid, pidfd: pidfd, isOwn: true), pidfd: pidfd,
                output: output[0], errors: errors[0], voice: order.voice))
    }

    /// Makes a pipe; the reason if there is none to be had.
    private static func pipe(_ ends: inout [Int32]) -> Int32? {
        let result = unsafe linux_pipe(&ends)
        return result < 0 ? -result : nil
    }

    /// Starts a program that ends with the calling thread.
    ///
    /// - Returns: its process id, or the negated `errno`.
    static func launch(
        _ plan: ChildProcess.Plan, _ null: Int32, _ output: Int32, _ errors: Int32,
        _ pidfd: inout Int32
    ) -> Int32 {
        var environment = plan.environment.map { "\($0.key)=\($0.value)" }.sorted()
        if plan.listensOnDescriptors {
            environment.append("LISTEN_FDS=\(plan.descriptors.count)")
            environment.append(listenPID + String(repeating: "0", count: pidBytes - 1))
        }
        let block = CStringBlock(environment)
        let arguments = CStringBlock([plan.executable] + plan.arguments)
        let path = CStringBlock([plan.executable, plan.directory ?? ""])
        return unsafe plan.descriptors.withUnsafeBufferPointer { descriptors in
            var launch = unsafe linux_launch()
            unsafe launch.path = unsafe UnsafePointer(path[0])
            unsafe launch.arguments = arguments.pointers
            unsafe launch.environment = block.pointers
            unsafe launch.directory = plan.directory == nil ? nil : UnsafePointer(path[1])
            unsafe launch.standard = (null, output, errors)
            unsafe launch.passed = descriptors.baseAddress
            unsafe launch.passed_count = Int32(descriptors.count)
            unsafe launch.dies_with_parent = plan.diesWithHost ? 1 : 0
            unsafe launch.own_pid =
                plan.listensOnDescriptors
                ? block[environment.count - 1].map { unsafe $0 + listenPID.utf8.count } : nil
            return unsafe linux_start_child(&launch, &pidfd)
        }
    }

    private static let listenPID = "LISTEN_PID="
    /// The room that a process id needs with its NUL.
    private static let pidBytes = 12

    private static func failure(_ plan: ChildProcess.Plan, _ reason: HostError) -> HostError {
        HostError(
            "process_not_started", what: "a program could not be started",
            subject: plan.executable, why: reason.reasons,
            fix: "check that the file is there and executable, and the limit of processes",
            systemError: reason.systemError)
    }
}
