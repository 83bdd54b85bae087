/// What one generation of the plugin has handed to the next.
public struct SavedState: Sendable {
    /// The version that the former generation gave to the form of the bytes.
    public let schemaVersion: UInt32
    /// What its `save` returned.
    public let bytes: [UInt8]

    /// The bytes as JSON.
    ///
    /// - Throws: `PluginError`; let it pass from `restore`, and the former generation goes on.
    public func json() throws(PluginError) -> JSON {
        do throws(JSONError) {
            return try JSON(parsing: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw PluginError("the state that was handed over is not JSON")
        }
    }
}
