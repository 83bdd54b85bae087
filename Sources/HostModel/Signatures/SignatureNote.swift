/// What was found of the signature of a release.
public struct SignatureNote: Hashable, Sendable {
    /// The name under which the signer is trusted; nil: it is not, or nobody signed.
    public var signer: String?
    /// The id of the key that signed; nil: nobody signed.
    public var key: String?
    /// The code of the error that a host that requires signatures refuses it with; nil: none.
    public var objection: String?
    /// Why.
    public var reasons: [String]

    public init(signer: String?, key: String?, objection: String?, reasons: [String] = []) {
        self.signer = signer
        self.key = key
        self.objection = objection
        self.reasons = reasons
    }
}

extension SignatureNote: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        let told = reasons.map { Escaping.printable($0) }.joined(separator: "; ")
        return switch (objection, signer, key) {
        case (nil, let signer?, let key?): "of \(Escaping.printable(signer)) (key \(key))"
        case ("bundle_unsigned", _, _): "none"
        case ("signer_unknown", _, let key?): "of a key that is not trusted, \(key)"
        case ("signed_file_altered", let signer?, _):
            "of \(Escaping.printable(signer)), and not as it was signed: \(told)"
        case ("signed_file_altered", nil, _): "not as it was signed: \(told)"
        default: "wrong: \(told)"
        }
    }
}

extension SignatureNote: JSONRepresentable {
    public var json: JSONValue {
        [
            "signer": signer.map { .string($0) } ?? .null,
            "key": key.map { .string($0) } ?? .null,
            "objection": objection.map { .string($0) } ?? .null,
            "reasons": .array(reasons.map { .string($0) }),
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "signature")
        func text(_ key: String) throws(HostError) -> String? {
            json[key] == .null ? nil : try fields.text(key)
        }
        self.init(
            signer: try text("signer"), key: try text("key"), objection: try text("objection"),
            reasons: try fields.texts("reasons"))
    }
}
