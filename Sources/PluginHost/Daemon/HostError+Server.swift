import HTTPServer
import HostModel

extension HostError {
    /// What the server's room says, in the shape that the host tells everything.
    init(_ error: ServerError) {
        let code: Code =
            switch error.code {
            case .addressInvalid: "address_invalid"
            case .listenFailed: "listen_failed"
            case .descriptorInvalid: "descriptor_invalid"
            case .kernelRefused: "kernel_refused"
            case .directoryUnreadable: "directory_unreadable"
            case .certificateInvalid: "certificate_invalid"
            case .configurationInvalid: "configuration_invalid"
            case .alreadyStarted: "already_started"
            }
        self.init(
            code, what: "the host cannot serve", subject: error.subject, why: error.reasons,
            fix: error.remedy, systemError: error.errno == 0 ? nil : error.errno)
    }
}
