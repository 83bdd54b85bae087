import HTTPServer
import HostModel
import Synchronization

/// Reads certificates again when their files have changed.
///
/// The files are looked at again and again: they are often links to links to files, of which each
/// may be exchanged. A certificate and its key are seldom exchanged at the same moment; what does
/// not go together is not taken, and looked at again.
final class CertificateKeeper: Sendable {
    private struct Marks {
        var taken: [FileMark?]
        var tried: [FileMark?]
    }

    private let certificates: TLSCertificates
    private let log: HostLog
    private let marks: Mutex<Marks>
    private static let pause = Duration.seconds(2)

    init(_ certificates: TLSCertificates, log: HostLog) {
        self.certificates = certificates
        self.log = log
        let now = Self.marks(of: certificates)
        marks = Mutex(Marks(taken: now, tried: now))
    }

    private static func marks(of certificates: TLSCertificates) -> [FileMark?] {
        certificates.pairs.flatMap {
            [FileMark(ofFile: $0.certificate), FileMark(ofFile: $0.key)]
        }
    }

    /// Looks as long as this object is there.
    func watch() {
        Task { [weak self] in
            while true {
                await Deadline.pause(for: Self.pause)
                guard let self else { return }
                await look()
            }
        }
    }

    /// Takes what has changed.
    ///
    /// - Parameter isTold: whether to read it even if nothing seems to have.
    func look(isTold: Bool = false) async {
        await Blocking.run { [self] in
            let now = Self.marks(of: certificates)
            let (hasChanged, isNews) = marks.withLock { marks in
                defer { marks.tried = now }
                return (now != marks.taken, now != marks.tried)
            }
            if isTold || hasChanged { read(now, tells: isTold || isNews) }
        }
    }

    private func read(_ now: [FileMark?], tells: Bool) {
        do throws(ServerError) {
            try certificates.reload()
            marks.withLock { $0.taken = now }
            log.write(.info, "the certificates have been read again")
        } catch {
            guard tells else { return }
            log.write(.error, "the former certificates stay: \(HostError(error))")
        }
    }
}
