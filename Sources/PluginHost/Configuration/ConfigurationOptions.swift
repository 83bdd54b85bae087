package import HostModel

/// Where the operator's settings come from beside the files below the root.
package struct ConfigurationOptions: Sendable {
    /// Which of the files `config/<environment>.json` counts; nil: none does.
    package let environment: String?
    /// The host's environment.
    package let variables: [String: String]

    /// The name of the variable that says which environment it is.
    package static let variable = "PLUGIN_HOST_ENVIRONMENT"

    /// - Parameter environment: nil takes it from the variables, where it may be missing.
    /// - Throws: `environment_invalid` when it cannot be the name of a file.
    package init(
        environment: String? = nil, variables: [String: String] = [:]
    ) throws(HostError) {
        let name = environment ?? variables[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
        if let name, !Self.isValid(name) {
            throw HostError(
                "environment_invalid", what: "the environment was not understood",
                why: "\(Escaping.quoted(name)) is not the name of one",
                fix: "choose letters, digits, - and _, such as production; local is taken")
        }
        self.environment = name
        self.variables = variables
    }

    /// Nothing but the files that always count.
    package static let none = ConfigurationOptions()

    private init() {
        environment = nil
        variables = [:]
    }

    private static func isValid(_ name: String) -> Bool {
        name != "local" && (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            }
    }
}
