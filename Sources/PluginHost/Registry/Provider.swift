import HostModel

/// One generation that serves, and one of the capabilities that it provides.
struct Provider: Sendable {
    let member: Member
    /// Nil stands for the plugin itself.
    let provision: Provision?

    var priority: Int { provision?.priority ?? 0 }

    /// Who comes first of several that provide the same: the higher priority, then the name.
    static func comesBefore(_ left: Provider, _ right: Provider) -> Bool {
        (-left.priority, left.member.name) < (-right.priority, right.member.name)
    }
}

extension Provider {
    /// The provider as the admin interface sends it.
    var json: JSONValue {
        [
            "capability": provision.map { .string($0.capability.text) } ?? .null,
            "version": .string((provision?.version ?? member.version).description),
            "provider": .string(member.name.text),
            "provider_version": .string(member.version.description),
            "generation": .number(JSONNumber(Int(clamping: member.number))),
            "priority": .number(JSONNumber(priority)),
            "options": .object(provision?.options ?? [:]),
        ]
    }
}
