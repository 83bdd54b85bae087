import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct SignatureTests {
    private let scratch: Scratch
    private let layout: RootLayout
    private let key = SigningKey.generate()
    private let name: PluginName
    private var output: String { scratch.path + "/x.tar.gz" }
    private var unpacked: String { scratch.path + "/out" }

    init() throws {
        scratch = try Scratch()
        layout = try scratch.root()
        name = try PluginName(checking: "demo")
        try scratch.write(
            #"{"version": "1.0.0", "name": "demo",  "abi": "1.0"}"#, to: "in/manifest.json")
        try scratch.write("library", to: "in/lib/libdemo.so")
        try scratch.write("a", to: "in/priv/static/a")
        #expect(symlink("a", scratch.path + "/in/priv/static/b") == 0)
        _ = try BundleWriter().pack(scratch.path + "/in", to: output, signedWith: key)
        try Directory.create(unpacked, mode: 0o755)
        try #require(Shell.run("tar -xzf '\(output)' -C '\(unpacked)'") == 0)
    }

    private func judge(trusting: Bool = true) throws -> SignatureJudgement {
        var trust = try TrustStore(layout)
        if trusting { try trust.add(key.publicKey, as: "maker") }
        return try trust.judge(unpacked, plugin: name)
    }

    private func bytes(_ file: String) throws -> [UInt8] {
        try Descriptor(opening: file, flags: O_RDONLY).readAll(bytesMax: 1 << 20)
    }

    private func put(_ bytes: [UInt8], at file: String) throws {
        try Descriptor(opening: file, flags: O_WRONLY | O_TRUNC).write(bytes)
    }

    private func openssl(_ arguments: String) -> Int32 {
        Shell.run("cd '\(scratch.path)' && openssl \(arguments) >/dev/null 2>&1")
    }

    @Test func signedBundle_isOfItsSigner() throws {
        let judgement = try judge()
        #expect(judgement.objection == nil)
        #expect(judgement.signer == "maker")
        #expect(judgement.note.key == key.publicKey.id)
        #expect(
            judgement.digest(of: "lib/libdemo.so") == SHA256.digest(of: Array("library".utf8)))
        #expect(try judge(trusting: false).signer == "maker", "what was added stays")
    }

    @Test func unknownSigner_isTold_withTheKey() throws {
        let judgement = try judge(trusting: false)
        #expect(judgement.objection?.code == "signer_unknown")
        #expect(judgement.objection?.reasons.joined().contains(key.publicKey.id) == true)
        var trust = try TrustStore(layout)
        try trust.add(SigningKey.generate().publicKey, as: "other")
        let other = try trust.judge(unpacked, plugin: name)
        #expect(other.objection?.code == "signer_unknown")
        #expect(other.objection?.reasons.joined().contains("other") == true)
    }

    @Test func flippedBit_isFound_inEveryByteOfEveryPart() throws {
        var trust = try TrustStore(layout)
        try trust.add(key.publicKey, as: "maker")
        let codes: [(file: String, codes: Set<HostError.Code>)] = [
            ("SIGNED", ["signature_wrong"]), ("SIGNED.sig", ["signature_wrong"]),
            ("manifest.json", ["signed_file_altered"]),
            ("lib/libdemo.so", ["signed_file_altered"]),
            ("priv/static/a", ["signed_file_altered"]),
        ]
        for (file, expected) in codes {
            let path = unpacked + "/" + file
            let whole = try bytes(path)
            for index in whole.indices {
                var flipped = whole
                flipped[index] ^= 1 << UInt8(index % 8)
                try put(flipped, at: path)
                let code = try trust.judge(unpacked, plugin: name).objection?.code
                #expect(code.map(expected.contains) == true, "\(file), byte \(index)")
            }
            try put(whole, at: path)
        }
        #expect(try trust.judge(unpacked, plugin: name).objection == nil)
    }

    @Test func whatIsAddedMissingOrOtherwise_isNamed() throws {
        func reasons(_ command: String, _ undo: String) throws -> String {
            try #require(Shell.run("cd '\(unpacked)' && \(command)") == 0)
            let objection = try judge().objection
            #expect(objection?.code == "signed_file_altered")
            try #require(Shell.run("cd '\(unpacked)' && \(undo)") == 0)
            #expect(try judge().objection == nil)
            return objection?.reasons.joined(separator: "\n") ?? ""
        }
        #expect(
            try reasons("touch priv/new", "rm priv/new")
                == "priv/new is not among what was signed")
        #expect(
            try reasons("mv priv/static/a .", "mv a priv/static/a")
                == "a is not among what was signed\npriv/static/a is missing")
        #expect(
            try reasons("chmod 0666 lib/libdemo.so", "chmod 0755 lib/libdemo.so")
                == "lib/libdemo.so has the mode 0666; signed was 0755")
        #expect(
            try reasons("ln -sfn c priv/static/b", "ln -sfn a priv/static/b")
                == "priv/static/b is a link to c; signed was a")
        #expect(
            try reasons(
                "rm priv/static/b && cp priv/static/a priv/static/b",
                "rm priv/static/b && ln -s a priv/static/b")
                == "priv/static/b is of another kind than what was signed")
        #expect(
            try reasons("mkfifo priv/f", "rm priv/f") == "priv/f is not among what was signed")
        let many = (0..<12).map { "priv/n\($0)" }.joined(separator: " ")
        #expect(try reasons("touch \(many)", "rm \(many)").hasSuffix("and 4 more"))
    }

    @Test func namesThatLookAlike_areNotTakenForEachOther() throws {
        try scratch.write("1", to: "in/priv/\u{E9}")
        _ = try BundleWriter().pack(scratch.path + "/in", to: output, signedWith: key)
        try #require(
            Shell.run("rm -rf '\(unpacked)'/* && tar -xzf '\(output)' -C '\(unpacked)'") == 0)
        #expect(try judge().objection == nil)
        try scratch.write("2", to: "out/priv/e\u{301}")
        #expect(try judge().objection?.code == "signed_file_altered")
    }

    @Test func signature_holds_howeverTheArchiveIsWritten() throws {
        try #require(
            Shell.run(
                "cd '\(unpacked)' && chmod 600 lib/libdemo.so && tar --format=gnu -czf '\(output)'"
                    + " priv SIGNED.sig ./manifest.json lib SIGNED") == 0)
        var trust = try TrustStore(layout)
        try trust.add(key.publicKey, as: "maker")
        let judgement = try BundleInspector.inspect(archive: output) { bundle throws(HostError) in
            try trust.judge(bundle.directory, plugin: bundle.manifest.name)
        }
        #expect(judgement.objection == nil)
    }

    @Test func packingAnew_replacesTheSignature_andPackingPlainlyKeepsIt() throws {
        let other = SigningKey.generate()
        _ = try BundleWriter().pack(unpacked, to: output)
        func signer() throws -> VerifyingKey? {
            let trust = try TrustStore(layout)
            return try BundleInspector.inspect(archive: output) { bundle throws(HostError) in
                try trust.judge(bundle.directory, plugin: bundle.manifest.name).statement?.key
            }
        }
        #expect(try signer() == key.publicKey)
        _ = try BundleWriter().pack(unpacked, to: output, signedWith: other)
        #expect(try signer() == other.publicKey)
    }

    @Test func bundleWithoutSignature_isUnsigned() throws {
        try Directory.remove(unpacked + "/SIGNED.sig")
        #expect(try judge().objection?.code == "bundle_unsigned")
        #expect(try judge().note.key == nil)
    }

    @Test func openssl_verifiesOurs_andWeVerifyItsOwn() throws {
        try scratch.write(key.publicKey.pem, to: "maker.pub")
        #expect(
            openssl(
                "pkeyutl -verify -pubin -inkey maker.pub -rawin -in out/SIGNED"
                    + " -sigfile out/SIGNED.sig") == 0)
        #expect(Shell.run("cd '\(unpacked)' && sha256sum --quiet --strict -c SIGNED") == 0)

        try #require(openssl("genpkey -algorithm ed25519 -out theirs") == 0)
        try #require(chmod(scratch.path + "/theirs", 0o600) == 0)
        try #require(openssl("pkey -in theirs -pubout -out theirs.pub") == 0)
        let theirs = try SigningKey(readingFrom: scratch.path + "/theirs")
        #expect(theirs.publicKey.pem == (try scratch.read("theirs.pub")))
        let statement = try #require(BundleStatement(try bytes(unpacked + "/SIGNED")))
        let text = BundleStatement(key: theirs.publicKey, entries: statement.entries).text
        try put(Array(text.utf8), at: unpacked + "/SIGNED")
        try #require(
            openssl("pkeyutl -sign -inkey theirs -rawin -in out/SIGNED -out out/SIGNED.sig") == 0)
        var trust = try TrustStore(layout)
        try trust.add(theirs.publicKey, as: "theirs")
        let judgement = try trust.judge(unpacked, plugin: name)
        #expect(judgement.objection == nil)
        #expect(judgement.signer == "theirs")
    }

    @Test func keys_areWrittenForTheirOwnerAlone_andNotOverwritten() throws {
        let path = scratch.path + "/key"
        try key.write(to: path)
        #expect(Files.status(path)?.st_mode == S_IFREG | 0o600)
        #expect(try SigningKey(readingFrom: path).publicKey == key.publicKey)
        let pem = try Files.text(path + ".pub")
        #expect(try VerifyingKey(pem: pem, source: path) == key.publicKey)
        #expect(openssl("pkey -in key -noout") == 0)
        func code(_ body: () throws -> Void) -> HostError.Code? {
            #expect(throws: HostError.self) { try body() }?.code
        }
        #expect(code { try key.write(to: path) } == "key_exists")
        #expect(chmod(path, 0o640) == 0)
        #expect(code { _ = try SigningKey(readingFrom: path) } == "key_exposed")
        #expect(code { _ = try SigningKey(readingFrom: path + ".pub") } == "key_exposed")
        #expect(chmod(path + ".pub", 0o600) == 0)
        #expect(code { _ = try SigningKey(readingFrom: path + ".pub") } == "key_invalid")
        #expect(code { _ = try VerifyingKey(pem: "", source: "x") } == "key_invalid")
        try #require(openssl("genpkey -algorithm x25519 -out x && chmod 600 x") == 0)
        #expect(code { _ = try SigningKey(readingFrom: scratch.path + "/x") } == "key_invalid")
    }

    @Test func trustStore_isRememberedOnDisk_andRefusesWhatItCannotRead() throws {
        var trust = try TrustStore(layout)
        #expect(trust.keys.isEmpty && trust.policy == .off)
        try trust.add(key.publicKey, as: "maker")
        try trust.set(.warn)
        #expect(try TrustStore(layout).keys == ["maker": key.publicKey])
        #expect(try TrustStore(layout).policy == .warn)
        #expect(try TrustStore(layout, atLeast: .require).policy == .require)
        #expect(try TrustStore(layout, atLeast: .off).policy == .warn)
        func code(_ body: () throws -> Void) -> HostError.Code? {
            #expect(throws: HostError.self) { try body() }?.code
        }
        let other = SigningKey.generate().publicKey
        #expect(code { try trust.add(other, as: "maker") } == "key_known")
        for name in ["", ".x", "-x", "a/b", "a b", String(repeating: "a", count: 65)] {
            #expect(code { try trust.add(other, as: name) } == "key_name_invalid")
        }
        #expect(code { try trust.remove("makr") } == "key_unknown")
        try trust.remove("maker")
        #expect(try TrustStore(layout).keys.isEmpty)
        try scratch.write("often\n", to: "root/trust/policy")
        #expect(code { _ = try TrustStore(layout) } == "policy_invalid")
        try scratch.write("off\n", to: "root/trust/policy")
        try scratch.write("no key", to: "root/trust/x.pem")
        #expect(code { _ = try TrustStore(layout) } == "key_invalid")
    }
}
