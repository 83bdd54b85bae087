import Foundation
import Testing

/// Signed bundles, and a host that asks for them.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct SignatureTests {
    let root: Root
    let files: TemporaryDirectory
    let key: String

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
        key = files("maker")
        try Command.succeed([HostProcess.binary, "keygen", "-o", key])
    }

    /// A bundle of the fixture that answers like this one, signed.
    private func signed(saying number: Int? = nil, with key: String? = nil) throws -> String {
        let draft = try DraftBundle(copying: "sound")
        if let number {
            let code = try Fixtures.code("sound", saying: number)
            try code.write(to: URL(fileURLWithPath: "\(draft.path)/lib/libsound.so"))
        }
        let bundle = files("\(UUID().uuidString).tar.gz")
        try Command.succeed([
            HostProcess.binary, "pack", draft.path, "-o", bundle, "--sign", key ?? self.key,
        ])
        return bundle
    }

    private func unpack(_ bundle: String) throws -> String {
        let directory = files(UUID().uuidString)
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try Command.succeed(["/bin/tar", "-xzf", bundle, "-C", directory])
        return directory
    }

    @Test func hostThatRequiresSignatures_loadsOnlyWhatTrustedKeysSigned() throws {
        try root.must("trust", "add", key + ".pub")
        let host = try HostProcess(root, options: ["--signatures", "require"])
        expectRefusal(
            try root.host("install", Fixtures.bundle("sound")), "is not signed",
            "host pack DIR -o FILE.tar.gz --sign KEY")
        try Command.succeed([HostProcess.binary, "keygen", "-o", files("stranger")])
        expectRefusal(
            try root.host("install", signed(with: files("stranger"))), "is not trusted",
            "trusted are maker", "host trust add")
        #expect(try root.list().isEmpty)

        try root.must("install", signed())
        #expect(try host.hello("sound") == hello)
        let status = try root.status("sound")
        #expect(status["signature"]["signer"].string == "maker")
        #expect(status["signature"]["objection"] == .null)
        let told = try root.must("events", "--plugin", "sound").output
        #expect(told.contains("signature_checked_v1") && told.contains("maker"), "\(told)")
        #expect(try root.must("status", "sound").output.contains("of maker (key "))
    }

    @Test func libraryReplacedByHand_isRefused_unlessItIsSignedAlike() throws {
        try root.must("trust", "add", key + ".pub")
        let host = try HostProcess(root, options: ["--signatures", "require"])
        try root.must("install", signed())
        let next = try unpack(signed(saying: 7))
        try Command.succeed(["/bin/cp", next + "/lib/libsound.so", root.library("sound")])
        try root.waitForStatus("sound", "the replacement is refused") {
            $0["last_error"]["code"].string == "signed_file_altered"
        }
        #expect(try host.hello("sound") == hello)
        expectRefusal(
            try root.host("reload", "sound"), "lib/libsound.so has the SHA-256",
            "have it signed again")
        // The rest of what was signed follows, and the library is what it says.
        for name in ["manifest.json", "SIGNED.sig", "SIGNED"] {
            try Command.succeed(
                ["/bin/cp", next + "/" + name, root.plugin("sound") + "/current/" + name])
        }
        try root.must("reload", "sound")
        #expect(try host.hello("sound") == Fixtures.hello(saying: 7))
    }

    @Test func runningHost_canBeMadeStricter_andNotLessStrict() throws {
        try root.must("trust", "add", key + ".pub")
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try root.status("sound")["signature"]["objection"].string == "bundle_unsigned")
        #expect(try root.must("trust", "policy", "warn").output.hasPrefix("signatures: warn\n"))
        try root.must("reload", "sound", "--force")
        try eventually("the log says so", within: 60) { host.log.contains("is not signed") }
        try root.must("trust", "policy", "require")
        expectRefusal(try root.host("reload", "sound", "--force"), "is not signed", "--sign KEY")
        #expect(try host.hello("sound") == hello)
        expectRefusal(
            try root.host("trust", "policy", "off"), "off is less strict than require",
            "stop the host")
        try Command.succeed([HostProcess.binary, "keygen", "-o", files("stranger")])
        expectRefusal(
            try root.host("trust", "add", files("stranger.pub")), "let more in", "stop the host")
        // Taking a key back is stricter.
        try root.must("install", signed())
        try root.must("trust", "remove", "maker")
        expectRefusal(
            try root.host("reload", "sound", "--force"), "no key is trusted", "host trust add")
        #expect(try host.terminate() == 0)

        // The policy is the root's: the next host has it, whatever its command line says.
        let again = try HostProcess(root, options: ["--signatures", "off"])
        #expect(try root.status("sound")["state"].string == "failed")
        #expect(try root.status("sound")["last_error"]["code"].string == "signer_unknown")
        #expect(try again.terminate() == 0)
        try root.must("trust", "policy", "off")
        let last = try HostProcess(root)
        #expect(try last.hello("sound") == hello)
    }

    @Test func inspect_tellsTheSigner() throws {
        let bundle = try signed()
        let unknown = try root.must("inspect", bundle).output
        #expect(unknown.contains("signature: of a key that is not trusted, "), "\(unknown)")
        try root.must("trust", "add", key + ".pub", "--name", "us")
        #expect(try root.must("inspect", bundle).output.contains("signature: of us (key "))
        let json = try JSON(parsing: root.must("inspect", bundle, "--json").output)
        #expect(json["signature"]["signer"].string == "us")
        let plain = try root.must("inspect", Fixtures.bundle("sound")).output
        #expect(plain.contains("signature: none\n"))
        let listed = try JSON(parsing: root.must("trust", "list", "--json").output)
        #expect(listed["keys"][0]["name"].string == "us")
        #expect(listed["policy"].string == "off")
    }
}
