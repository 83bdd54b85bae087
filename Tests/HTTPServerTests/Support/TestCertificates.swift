import Foundation
import HTTPServer

/// Certificates that were made for a test run.
final class TestCertificates: Sendable {
    private let directory: TestDirectory

    /// Makes one for each list of names.
    init(_ names: [String]...) throws {
        directory = try TestDirectory()
        for (index, names) in names.enumerated() { try make(index, names) }
    }

    func pair(_ index: Int) -> TLSCertificates.Pair {
        let stem = directory.path + "/\(index)"
        return TLSCertificates.Pair(certificate: stem + ".crt", key: stem + ".key")
    }

    /// Puts another certificate and key in the place of those.
    func make(_ index: Int, _ names: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        let pair = pair(index)
        let alternatives = names.map { "DNS:\($0)" }.joined(separator: ",")
        process.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", pair.key, "-out", pair.certificate, "-days", "30", "-subj",
            "/CN=\(names[0])", "-addext", "subjectAltName=\(alternatives)",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw TestClient.Failure(description: "openssl made no certificate")
        }
    }
}
