internal import Dispatch
internal import Glibc
internal import HTTPServer
internal import HTTPWire
package import HostModel
internal import Synchronization

/// The access log: one line a request, written in batches by a thread of its own.
///
/// A reactor copies what the line will say into a ring of its own and goes on. If the disk, or the
/// reader of a pipe, does not keep up, the ring fills, and what does not fit is dropped, counted,
/// and told of in the host's log.
///
/// `@unchecked Sendable` because each ring has one reactor that puts, and everything else that
/// changes is touched on the queue only.
package final class AccessLog: @unchecked Sendable {
    private var lines: AccessLineWriter
    private let rings: [AccessRing]
    private let file: AccessLogFile
    private let log: HostLog
    private let queue = DispatchQueue(label: "plugin-host.access-log")
    private let isScheduled = Atomic<Bool>(false)
    private let isUrgent = Atomic<Bool>(false)
    /// What has been lost and not been told yet.
    private var dropped = 0
    private let everDropped = Atomic<Int>(0)
    private var unwritten = 0
    private var failure: HostError?
    private var toldAt: UInt64 = 0

    /// How long lines wait for others.
    private static let batchMilliseconds = 50
    private static let batchBytes = 64 << 10
    /// How often losses are told.
    private static let tellNanoseconds: UInt64 = 5_000_000_000

    /// Opens the file, or makes it.
    ///
    /// - Parameter path: `-` for the standard output.
    /// - Throws: `access_log_failed`.
    package init(
        path: String, format: AccessFormat, reactors: Int, log: HostLog
    ) throws(HostError) {
        lines = AccessLineWriter(format)
        self.log = log
        file = try AccessLogFile(path: path)
        rings = (0..<reactors).map { _ in AccessRing() }
    }

    // MARK: - On a reactor's thread

    /// Takes an entry of a reactor; returns at once.
    func take(_ entry: AccessEntry, reactor: Int) {
        let ring = rings[reactor]
        unsafe ring.put(count: entry.packedCount) { unsafe entry.pack(into: $0) }
        if !isScheduled.load(ordering: .sequentiallyConsistent) { schedule() }
        if ring.isHalfFull, !isUrgent.exchange(true, ordering: .relaxed) {
            queue.async { self.writeWhatIsThere() }
        }
    }

    @inline(never)
    private func schedule() {
        guard !isScheduled.exchange(true, ordering: .sequentiallyConsistent) else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(Self.batchMilliseconds)) {
            self.writeWhatIsThere()
        }
    }

    // MARK: - On any other thread

    /// How many lines have been lost since the start, because the file was too slow.
    var droppedCount: Int { everDropped.load(ordering: .relaxed) }

    /// Opens the file again under its name, for whoever has renamed it.
    package func reopen() {
        queue.async { [self] in
            writeWhatIsThere()
            note { () throws(HostError) in try file.reopen() }
            tell()
        }
    }

    /// Returns once everything that came before has been written, or lost and told of.
    package func flush() {
        queue.sync {
            writeWhatIsThere()
            tell()
        }
    }

    // MARK: - On the queue

    private func writeWhatIsThere() {
        isScheduled.store(false, ordering: .sequentiallyConsistent)
        isUrgent.store(false, ordering: .relaxed)
        let now = Self.time(CLOCK_MONOTONIC)
        note { () throws(HostError) in try file.followRename(now: UInt64(now)) }
        lines.clockOffsetNanoseconds = Self.time(CLOCK_REALTIME) - now
        for ring in rings {
            unsafe ring.takeAll { record in
                unsafe lines.add(AccessEntry(packed: record))
                if lines.lines.count >= Self.batchBytes { writeLines() }
            }
            let lost = ring.takeDropped()
            dropped += lost
            if lost > 0 { everDropped.add(lost, ordering: .relaxed) }
        }
        writeLines()
        if UInt64(now) &- toldAt > Self.tellNanoseconds { tell() }
    }

    private func writeLines() {
        guard lines.lineCount > 0 else { return }
        let bytes = unsafe lines.lines.bytes
        let isWritten = note { () throws(HostError) in unsafe try file.append(bytes) }
        if !isWritten { unwritten += lines.lineCount }
        lines.clear()
    }

    @discardableResult
    private func note(_ act: () throws(HostError) -> Void) -> Bool {
        do throws(HostError) {
            try act()
            return true
        } catch {
            failure = error
            return false
        }
    }

    /// Says in the host's log what was lost, and why.
    private func tell() {
        guard dropped > 0 || unwritten > 0 || failure != nil else { return }
        toldAt = UInt64(Self.time(CLOCK_MONOTONIC))
        if dropped > 0 {
            log.write(
                .warning,
                "access log: \(dropped) lines were dropped, because \(file.path) is too slow")
        }
        if let failure {
            let lost = unwritten > 0 ? ", \(unwritten) lines are lost" : ""
            let why = failure.reasons.joined(separator: "; ")
            log.write(.error, "access log: \(failure.what) (\(failure.subject)): \(why)\(lost)")
        }
        dropped = 0
        unwritten = 0
        failure = nil
    }

    private static func time(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
