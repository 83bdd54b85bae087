import CPluginABI

/// A subscription as the host calls it.
///
/// The plugin's instance keeps it until the host calls nothing any more.
final class Subscriber {
    private let subscription: BoundSubscription
    private let log: Log
    #if !hasFeature(Embedded)
        private let runtime: Runtime

        init(_ subscription: BoundSubscription, log: Log, runtime: Runtime) {
            self.subscription = subscription
            self.log = log
            self.runtime = runtime
        }
    #else
        init(_ subscription: BoundSubscription, log: Log) {
            self.subscription = subscription
            self.log = log
        }
    #endif

    /// Tells the host of it.
    ///
    /// - Returns: what is wrong; empty if nothing is.
    func begin(_ events: Events) -> String {
        guard let functions = unsafe events.functions,
            let subscribe = unsafe functions.pointee.subscribe
        else { return "the service ph.events/1 is not there; the manifest has to ask for it" }
        let shape = subscription.shape
        var options = unsafe ph_subscription()
        unsafe options.size = UInt32(MemoryLayout<ph_subscription>.size)
        unsafe options.policy = shape.overflow.rawValue
        unsafe options.pattern = ph_text(shape.pattern)
        unsafe options.name = ph_text(shape.name)
        unsafe options.queue_max = shape.queue
        unsafe options.context = Unmanaged.passUnretained(self).toOpaque()
        unsafe options.on_event = { context, event in
            guard let context = unsafe context, let event = unsafe event else { return wrongState }
            return unsafe Unmanaged<Subscriber>.fromOpaque(context).takeUnretainedValue()
                .take(Event(unsafe: event))
        }
        var number: UInt64 = 0
        let status = unsafe subscribe(events.host, &options, &number)
        return status >= done ? "" : "the host refused a subscription (\(status))"
    }

    private func take(_ event: Event) -> ph_status {
        switch subscription.take {
        case .inline(let take):
            do {
                try take(event)
                return done
            } catch {
                return fail(describe(error))
            }
        #if !hasFeature(Embedded)
            case .waiting(let take):
                let refusal = runtime.run(before: nil) { () async -> String? in
                    do {
                        try await take(event)
                        return nil
                    } catch {
                        return describe(error)
                    }
                }
                if case .some(.some(let why)) = refusal { return fail(why) }
                return done
        #endif
        }
    }

    private func fail(_ why: String) -> ph_status {
        log.error("an event was not taken: " + why)
        return failed
    }
}
