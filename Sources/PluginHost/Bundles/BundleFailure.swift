internal import HostModel

extension HostError {
    /// The archive is not what its format says.
    static func archiveDamaged(_ reason: String, subject: String) -> HostError {
        HostError(
            "archive_damaged", what: "the bundle could not be read", subject: subject, why: reason,
            fix: "copy the file again, or pack it again with: host pack DIR -o FILE.tar.gz")
    }

    /// The archive is larger than is allowed.
    static func archiveTooLarge(_ reason: String, subject: String) -> HostError {
        HostError(
            "archive_too_large", what: "the bundle is too large", subject: subject, why: reason,
            fix: "leave out what the plugin does not need")
    }

    /// The archive holds what a bundle must not hold.
    static func archiveRefused(_ reasons: [String], subject: String) -> HostError {
        HostError(
            "archive_refused", what: "the bundle is refused", subject: subject, why: reasons,
            fix: "pack it with: host pack DIR -o FILE.tar.gz")
    }
}
