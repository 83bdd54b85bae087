import DynamicLibrary
import HostModel

extension HostError {
    /// What the loader's room says, in the shape that the host tells everything.
    init(_ error: LibraryError) {
        self.init(
            Code(rawValue: error.code.rawValue), what: error.what, subject: error.subject,
            why: error.reasons, fix: error.remedy, systemError: error.errno == 0 ? nil : error.errno
        )
    }

    /// Every objection against an image, with the cures as the remedy.
    init(_ code: Code, what: String, subject: String, objections: [Objection]) {
        var cures: [String] = []
        for objection in objections where !cures.contains(objection.cure) {
            cures.append(objection.cure)
        }
        self.init(
            code, what: what, subject: subject, why: objections.map(\.what),
            fix: cures.joined(separator: "; "))
    }
}
