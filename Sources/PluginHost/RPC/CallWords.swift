import CPluginABI

/// What a caller is told when a call comes to nothing, in words.
enum CallWords {
    static func text(for status: ph_status) -> StaticString {
        switch Int(status) {
        case Int(PH_NO_PROVIDER): "nobody provides what the call asks for"
        case Int(PH_STALE): "the handle is stale"
        case Int(PH_NO_METHOD): "the provider has no method of that name"
        case Int(PH_REFUSED): "the provider refused the call and did not say why"
        case Int(PH_TIMED_OUT): "the provider did not answer in time"
        case Int(PH_CANCELLED): "the call was called off"
        case Int(PH_GONE): "the provider was unloaded before it had answered"
        case Int(PH_TOO_DEEP): "too many calls are within each other"
        case Int(PH_CYCLE): "the call would wait for itself"
        case Int(PH_BUSY): "the provider has as many calls as it can take"
        case Int(PH_WRONG_THREAD): "the call would have to wait, which no event loop may"
        case Int(PH_NO_REPLY): "the method returned without a reply"
        case Int(PH_WRONG_STATE): "the plugin's work has been ended"
        default: "the call failed"
        }
    }

    /// The words as a receiver gets them; they are never freed.
    static func bytes(for status: ph_status) -> ph_bytes {
        let text = text(for: status)
        return unsafe ph_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount)
    }
}
