extension Reactor {
    /// Tells the observers of exchanges that the application waits for their end; on the reactor's
    /// thread.
    ///
    /// Each is told at its connection's next turn, and no sooner than `handle` has returned.
    ///
    /// - Parameter isMeant: asked about each exchange for which `handle` was called, or will be.
    public func announceDraining(_ isMeant: (Exchange) -> Bool) {
        var next = loop.state.everyExchange
        while let exchange = next {
            next = exchange.state.nextOfAll
            guard exchange.state.isInUse, exchange.state.owesEnded,
                let connection = exchange.state.connection, isMeant(exchange)
            else { continue }
            exchange.state.drainingGeneration = exchange.state.generation
            loop.enqueue(connection)
        }
    }
}

extension Exchange {
    /// Tells the observer what `announceDraining` has noted; false when there is nothing to tell,
    /// or nobody yet.
    @inline(never)
    func tellDraining() -> Bool {
        guard state.drainingGeneration == state.generation, state.isHandled, !isHeld, !isComplete,
            let onDraining = unsafe state.observer.onDraining
        else { return false }
        state.drainingGeneration = .max
        unsafe onDraining(state.observer.context)
        return true
    }
}
