import CPluginABI

/// One state of the plugin's configuration: what the operator has set, and the defaults.
///
/// Ask for it in the manifest (`services: [.configuration]`), and say in `manifest.json` what it
/// may be; what the host hands over is as the schema says. It never changes: read it once, in
/// `init`, and again when `HostContext.onConfigurationChange` tells of a new one.
///
/// Values are named by a place: the plain name of a member (`"title"`), or a JSON pointer
/// (`"/page/size"`).
public struct Configuration: Sendable {
    /// Counts up with every change while the host runs, from 1; 0 if the service is not granted.
    public let revision: UInt64
    /// All of it, an object.
    public let json: JSON

    /// The value there; nil when there is none.
    public subscript(place: String) -> JSON? {
        guard place.utf8.first == UInt8(ascii: "/") else { return json[place] }
        var value = json
        for step in place.utf8.dropFirst().split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            let name = Self.unescaped(step)
            guard let next = value[name] ?? Int(name).flatMap({ value[$0] }) else { return nil }
            value = next
        }
        return value
    }

    /// The text there; nil when there is none.
    public func text(_ place: String) -> String? { self[place]?.string }

    /// The whole number there; nil when there is none.
    public func integer(_ place: String) -> Int? { self[place]?.integer }

    /// The number there; nil when there is none.
    public func number(_ place: String) -> Double? { self[place]?.number }

    /// The truth value there; nil when there is none.
    public func bool(_ place: String) -> Bool? { self[place]?.bool }

    /// Source: RFC 6901, section 4.
    private static func unescaped(_ step: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var isEscape = false
        for byte in step {
            if isEscape {
                bytes.append(byte == UInt8(ascii: "1") ? UInt8(ascii: "/") : UInt8(ascii: "~"))
                isEscape = false
            } else if byte == UInt8(ascii: "~") {
                isEscape = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Service {
    /// What the operator sets: `HostContext.configuration`.
    public static var configuration: Service { Service("ph.config/1") }
}

extension HostContext {
    /// The configuration in force; empty unless the manifest asks for `.configuration`.
    ///
    /// Each use reads all of it: keep what is needed.
    public var configuration: Configuration {
        guard let service = unsafe service(.configuration) else {
            return Configuration(revision: 0, json: .object([]))
        }
        let functions = unsafe service.assumingMemoryBound(to: ph_config.self)
        guard let acquire = unsafe functions.pointee.acquire,
            let release = unsafe functions.pointee.release, let held = unsafe acquire(raw)
        else { return Configuration(revision: 0, json: .object([])) }
        defer { _ = unsafe release(raw, held) }
        return unsafe Configuration(unsafe: held, functions)
    }
}

extension Configuration {
    /// Copies a state that the host lends.
    init(unsafe held: OpaquePointer, _ functions: UnsafePointer<ph_config>) {
        var text = ""
        if let json = unsafe functions.pointee.json {
            text = unsafe String(BorrowedText(unsafe: json(held, ph_text(""))))
        }
        let read = try? JSON(parsing: text)
        self.init(
            revision: unsafe functions.pointee.revision?(held) ?? 0, json: read ?? .object([]))
    }
}

#if !hasFeature(Embedded)
    extension Configuration {
        /// Reads a value out of the configuration: `try host.configuration.decode(Settings.self)`.
        ///
        /// - Throws: `PluginError` naming the setting that is missing or of another type, so that
        ///   `init` can let it pass to the operator.
        public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try json.decode(type) { field, expectation in
                PluginError(
                    "the configuration cannot be used", subject: field, reasons: [expectation],
                    remedy: "set it, or give it a default in the manifest's schema")
            }
        }
    }
#endif
