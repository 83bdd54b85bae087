#if !hasFeature(Embedded)
    import CPluginABI

    extension Events {
        /// The events under the topics that match, from now on, for as long as somebody listens.
        ///
        /// ```swift
        /// for await event in host.events.stream("orders.*") { print(event.topic) }
        /// ```
        ///
        /// It ends when the task is cancelled and when the plugin stops; at once, if the pattern is
        /// none or the service was not granted. To lose nothing with a reload, have a subscription
        /// with a name instead.
        ///
        /// - Parameter buffer: how many events may wait to be read; of more, the oldest go.
        public func stream(_ pattern: String, buffer: Int = 1_024) -> AsyncStream<Event> {
            let (events, listener) = AsyncStream.makeStream(
                of: Event.self, bufferingPolicy: .bufferingNewest(buffer))
            guard let streams = unsafe Runtime.current?.streams,
                let place = streams.add(listener)
            else {
                listener.finish()
                return events
            }
            guard let number = subscribe(pattern, place) else {
                streams.end(place)
                return events
            }
            listener.onTermination = { _ in
                _ = unsafe functions?.pointee.unsubscribe?(host, number)
            }
            return events
        }

        /// - Parameter place: the stream's number, which the host is given as the context.
        /// - Returns: the subscription's number; nil when it was refused.
        private func subscribe(_ pattern: String, _ place: UInt) -> UInt64? {
            guard let functions = unsafe functions,
                let subscribe = unsafe functions.pointee.subscribe
            else { return nil }
            var options = unsafe ph_subscription()
            unsafe options.size = UInt32(MemoryLayout<ph_subscription>.size)
            unsafe options.context = UnsafeMutableRawPointer(bitPattern: place)
            unsafe options.on_event = { context, event in
                guard let event = unsafe event else { return wrongState }
                unsafe Runtime.current?.streams.find(UInt(bitPattern: context))?
                    .yield(Event(unsafe: event))
                return done
            }
            unsafe options.on_end = { context, _ in
                unsafe Runtime.current?.streams.end(UInt(bitPattern: context))
            }
            var number: UInt64 = 0
            let status = unsafe withText(pattern) { pattern in
                unsafe options.pattern = pattern
                return unsafe subscribe(host, &options, &number)
            }
            return status >= done ? number : nil
        }
    }
#endif
