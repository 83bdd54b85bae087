internal import Glibc
package import HostModel

/// What was found of a bundle's signature.
package struct SignatureJudgement: Sendable {
    /// What was signed, as far as it could be read.
    package let statement: BundleStatement?
    /// The name under which the signer is trusted.
    package let signer: String?
    /// Why it is as good as no signature; nil when it holds, and its signer is trusted.
    package let objection: HostError?

    /// What the journal and `host status` say of it.
    package var note: SignatureNote {
        SignatureNote(
            signer: signer, key: statement?.key.id, objection: objection?.code.rawValue,
            reasons: objection?.reasons ?? [])
    }

    /// The only digest that a file may have.
    func digest(of path: String) -> Digest? {
        guard case .file(let digest, _) = statement?.entries[Array(path.utf8)] else { return nil }
        return digest
    }
}

extension TrustStore {
    /// Compares an unpacked bundle with its signature, and that with the keys that are trusted.
    ///
    /// - Throws: `system_call_failed` or `file_too_large`; all else is in the judgement.
    package func judge(
        _ directory: String, plugin: PluginName
    ) throws(HostError) -> SignatureJudgement {
        let subject = directory
        guard
            let signed = try Self.bytes(
                of: directory + "/" + BundleStatement.fileName,
                max: BundleStatement.fileBytesMax),
            let signature = try Self.bytes(
                of: directory + "/" + BundleStatement.signatureName,
                max: PEM.fileBytesMax)
        else {
            return SignatureJudgement(
                statement: nil, signer: nil,
                objection: HostError(
                    "bundle_unsigned", what: "plugin \"\(plugin)\" is not signed", subject: subject,
                    why: "it holds no \(BundleStatement.fileName) and"
                        + " \(BundleStatement.signatureName)",
                    fix: "sign it with: host pack DIR -o FILE.tar.gz --sign KEY"))
        }
        guard let statement = BundleStatement(signed) else {
            return SignatureJudgement(
                statement: nil, signer: nil,
                objection: Self.wrong(
                    plugin, subject, "\(BundleStatement.fileName) is not written as it should be"))
        }
        let signer = name(of: statement.key)
        guard statement.key.verifies(signature, of: signed) else {
            return SignatureJudgement(
                statement: statement, signer: nil,
                objection: Self.wrong(
                    plugin, subject,
                    "\(BundleStatement.signatureName) was not made over"
                        + " \(BundleStatement.fileName) with the key \(statement.key.id)"))
        }
        let found = try BundleStatement.entries(of: directory, plugin: plugin)
        let differences = statement.differences(from: found)
        guard differences.isEmpty else {
            return SignatureJudgement(
                statement: statement, signer: signer,
                objection: HostError(
                    "signed_file_altered", what: "plugin \"\(plugin)\" is not as it was signed",
                    subject: subject, why: differences,
                    fix: "install it as it was signed, or have it signed again"))
        }
        guard signer != nil else {
            return SignatureJudgement(
                statement: statement, signer: nil,
                objection: HostError(
                    "signer_unknown", what: "the signer of plugin \"\(plugin)\" is not trusted",
                    subject: subject,
                    why: "it is signed with the key \(statement.key.id); "
                        + (keys.isEmpty
                            ? "no key is trusted"
                            : "trusted are " + keys.keys.sorted().joined(separator: ", ")),
                    fix: "if you trust the signer: host trust add KEY.pub"))
        }
        return SignatureJudgement(statement: statement, signer: signer, objection: nil)
    }

    private static func wrong(
        _ plugin: PluginName, _ subject: String, _ reason: String
    ) -> HostError {
        HostError(
            "signature_wrong", what: "the signature of plugin \"\(plugin)\" is wrong",
            subject: subject, why: reason,
            fix: "get the bundle again from its author, or have it signed again")
    }

    /// Nil when there is no such file.
    private static func bytes(of path: String, max: Int) throws(HostError) -> [UInt8]? {
        guard unsafe access(path, F_OK) == 0 else { return nil }
        return try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            .readAll(bytesMax: max)
    }
}
