internal import Glibc
package import HostModel

/// Whose signatures count, and what they count for.
///
/// - Shape: `<root>/trust/NAME.pem` is the public key of somebody who is trusted,
///   `<root>/trust/policy` one of the words of `SignaturePolicy` (off when there is no such file).
package struct TrustStore: Sendable {
    /// The public keys, by the name they were added under.
    package private(set) var keys: [String: VerifyingKey] = [:]
    package private(set) var policy = SignaturePolicy.off
    private let directory: String
    private static let suffix = ".pem"

    /// Reads what a root trusts; a root that is not there trusts nobody.
    ///
    /// - Parameter least: a policy that is taken when the root's own is not as strict.
    /// - Throws: `key_invalid`, `policy_invalid` or `system_call_failed`: what cannot be read is
    ///   not left out, lest something be let in that should not be.
    package init(_ layout: RootLayout, atLeast least: SignaturePolicy = .off) throws(HostError) {
        directory = layout.trust
        if Directory.isDirectory(directory) {
            for file in try Directory.entries(of: directory) where file.hasSuffix(Self.suffix) {
                let path = directory + "/" + file
                let text = try Self.read(path)
                keys[String(file.dropLast(Self.suffix.count))] =
                    try VerifyingKey(pem: text, source: path)
            }
            let path = directory + "/policy"
            if unsafe access(path, F_OK) == 0 {
                let word = try Self.read(path).filter { !$0.isNewline }
                guard let policy = SignaturePolicy(rawValue: word) else {
                    throw HostError(
                        "policy_invalid", what: "the policy for signatures was not understood",
                        subject: path, why: "it is not off, warn or require",
                        fix: "write one of these words into the file")
                }
                self.policy = policy
            }
        }
        policy = max(policy, least)
    }

    private static func read(_ path: String) throws(HostError) -> String {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        return String(decoding: try file.readAll(bytesMax: PEM.fileBytesMax), as: UTF8.self)
    }

    /// The name of a key that is trusted.
    package func name(of key: VerifyingKey) -> String? {
        keys.filter { $0.value == key }.keys.min()
    }

    /// Trusts a key from now on.
    ///
    /// - Throws: `key_name_invalid`; `key_known` when the name is taken by another key.
    package mutating func add(_ key: VerifyingKey, as name: String) throws(HostError) {
        let characters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        guard (1...64).contains(name.count), name.first != ".", name.first != "-",
            name.allSatisfy(characters.contains)
        else {
            throw HostError(
                "key_name_invalid", what: "the key was not added", subject: name,
                why: "a name has 1 to 64 letters, digits, dots, hyphens and underscores, and begins"
                    + " with none of the first two of these signs",
                fix: "choose one with --name NAME")
        }
        if let there = keys[name], there != key {
            throw HostError(
                "key_known", what: "the key was not added", subject: name,
                why: "that name is the one of another key, \(there.id)",
                fix:
                    "choose another with --name NAME, or remove that one: host trust remove \(name)"
            )
        }
        try write(key.pem, to: name + Self.suffix)
        keys[name] = key
    }

    /// Trusts a key no longer.
    ///
    /// - Throws: `key_unknown`.
    package mutating func remove(_ name: String) throws(HostError) {
        guard keys[name] != nil else {
            throw HostError(
                "key_unknown", what: "no key was removed", subject: name,
                why: "there is no key of that name"
                    + Spelling.hint(for: name, among: [String](keys.keys)),
                fix: "see: host trust list")
        }
        try Directory.remove(directory + "/" + name + Self.suffix)
        try Directory.sync(directory)
        keys[name] = nil
    }

    /// Takes another policy.
    package mutating func set(_ policy: SignaturePolicy) throws(HostError) {
        try write(policy.rawValue + "\n", to: "policy")
        self.policy = policy
    }

    private func write(_ text: String, to name: String) throws(HostError) {
        try Directory.create(directory, mode: 0o700)
        let path = directory + "/" + name
        let next = directory + "/.new-" + RandomName.make()
        do throws(HostError) {
            let file = try Descriptor(
                opening: next, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
            try file.write(text.utf8)
            try file.sync()
            guard unsafe rename(next, path) == 0 else {
                throw .system("the file could not be put in place", subject: path, errno: errno)
            }
        } catch {
            unsafe _ = unlink(next)
            throw error
        }
        try Directory.sync(directory)
    }
}
