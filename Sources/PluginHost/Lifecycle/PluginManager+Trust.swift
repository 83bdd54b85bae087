package import HostModel

/// Whose signatures count.
///
/// While the host runs, it can be made stricter, and not less strict: whoever gets hold of its
/// doors cannot make it load what it was started to refuse.
extension PluginManager {
    // MARK: - Judging

    /// Looks at the signature of an unpacked bundle.
    ///
    /// - Parameter always: whether to look even where no policy asks for it.
    /// - Returns: nil if nobody has looked.
    /// - Throws: where signatures are required, why this one is as good as none.
    func judge(
        _ directory: String, of name: PluginName, always: Bool = false
    ) async throws(HostError) -> SignatureJudgement? {
        let trust = trust
        guard trust.policy > .off || always else { return nil }
        let judgement = try await Blocking.run { () throws(HostError) in
            try trust.judge(directory, plugin: name)
        }
        guard let objection = judgement.objection, trust.policy > .off else { return judgement }
        if trust.policy == .require { throw objection }
        say(.warning, objection.description, name)
        return judgement
    }

    /// Judges the files that an image comes from, and takes the library that was signed as the only
    /// one that may be loaded.
    func judge(
        _ source: inout Source, of name: PluginName
    ) async throws(HostError) -> SignatureJudgement? {
        guard let judgement = try await judge(source.files, of: name) else { return nil }
        if judgement.objection == nil {
            source.pinned = judgement.digest(of: "lib/" + source.manifest.library.file)
        }
        return judgement
    }

    /// Writes down what was found of the signature of the release in force, unless that is known.
    func note(_ judgement: SignatureJudgement?, of name: PluginName) async {
        guard let note = judgement?.note, let record = registry[name], record.signature != note
        else { return }
        await self.note(.signatureChecked(directory: record.directory, note), on: name)
    }

    // MARK: - Asking and changing

    /// Who is trusted, and what for.
    package var trustReport: JSONValue {
        let keys = trust.keys.sorted { $0.key < $1.key }
        return [
            "policy": .string(trust.policy.rawValue),
            "keys": .array(
                keys.map { name, key in
                    [
                        "name": .string(name), "key": .string(key.id),
                        "public_key": .string(key.pem),
                    ]
                }),
        ]
    }

    /// Trusts a key from now on.
    ///
    /// - Throws: `policy_not_loosened` while the host runs and requires signatures; see
    ///   `TrustStore.add`.
    package func trust(_ key: VerifyingKey, as name: String) async throws(HostError) {
        guard server == nil || trust.policy < .require || trust.keys[name] == key else {
            throw Self.notLoosened(
                "the key was not added", "it requires signatures: a further key would let more in",
                "host trust add KEY.pub")
        }
        try await change { trust throws(HostError) in try trust.add(key, as: name) }
    }

    /// Trusts a key no longer; what runs goes on running, and is not loaded again.
    package func distrust(_ name: String) async throws(HostError) {
        try await change { trust throws(HostError) in try trust.remove(name) }
    }

    /// Takes a stricter policy, or with no server any.
    ///
    /// - Throws: `policy_not_loosened`.
    package func require(_ policy: SignaturePolicy) async throws(HostError) {
        guard server == nil || policy >= trust.policy else {
            throw Self.notLoosened(
                "the policy stays \(trust.policy.rawValue)",
                "\(policy.rawValue) is less strict than \(trust.policy.rawValue)",
                "host trust policy \(policy.rawValue)")
        }
        try await change { trust throws(HostError) in try trust.set(policy) }
    }

    private func change(
        _ body: @escaping @Sendable (inout TrustStore) throws(HostError) -> Void
    ) async throws(HostError) {
        while isChangingTrust {
            await withCheckedContinuation { waiter in
                if isChangingTrust { trustWaiters.append(waiter) } else { waiter.resume() }
            }
        }
        isChangingTrust = true
        defer {
            isChangingTrust = false
            if !trustWaiters.isEmpty { trustWaiters.removeFirst().resume() }
        }
        let former = trust
        trust = try await Blocking.run { () throws(HostError) in
            var trust = former
            try body(&trust)
            return trust
        }
        log.write(
            .info,
            "signatures: \(trust.policy.rawValue); trusted: "
                + (trust.keys.isEmpty ? "nobody" : trust.keys.keys.sorted().joined(separator: ", "))
        )
    }

    private static func notLoosened(_ what: String, _ why: String, _ command: String) -> HostError {
        HostError(
            "policy_not_loosened", what: what,
            why: "a host that runs can be made stricter, and not less strict: " + why,
            fix: "stop the host, then: \(command)")
    }
}
