package import HTTPServer
package import HostModel

/// What stands at `/plugin/<name>/`.
package final class Mount: Sendable {
    /// What a request gets from the plugin's API.
    package enum Availability: Sendable, Equatable {
        case active
        /// 503: the plugin is installed and does not serve now.
        case unavailable(retryAfterSeconds: Int)
        /// 503: the plugin has done harm, and is kept from serving.
        case quarantined(reason: String)
        /// 503: the plugin is installed, and its operator does not want it to serve.
        case inactive
    }

    package let name: PluginName
    /// The generation that serves; nil while none does.
    package let generation: Generation?
    package let staticFiles: StaticFileResponder?
    package let availability: Availability
    /// Another generation that shares the connections with it; nil: none does.
    let canary: CanaryShare?
    /// Whether it gets one request at a time.
    let isThrottled: Bool

    /// Makes a mount; one without a generation is unavailable.
    package convenience init(
        name: PluginName, generation: Generation?, staticFiles: StaticFileResponder? = nil,
        availability: Availability = .active
    ) {
        self.init(
            name: name, generation: generation, staticFiles: staticFiles,
            availability: availability, canary: nil, isThrottled: false)
    }

    init(
        name: PluginName, generation: Generation?, staticFiles: StaticFileResponder?,
        availability: Availability = .active, canary: CanaryShare?, isThrottled: Bool
    ) {
        self.canary = canary
        self.isThrottled = isThrottled
        self.name = name
        self.generation = generation
        self.staticFiles = staticFiles
        let isOut = generation == nil && availability == .active
        self.availability = isOut ? .unavailable(retryAfterSeconds: 1) : availability
    }

    /// Where every request to its API goes; nil when it takes a closer look.
    var serving: UnsafeMutablePointer<ServingRecord>? {
        let isPlain = availability == .active && canary == nil && !isThrottled
        return unsafe isPlain ? generation?.serving : nil
    }
}
