import Glibc
import HTTPWire
import Synchronization

extension Loop {
    /// The storage that the next head is read into; it stays spare until a head is complete.
    @inline(__always)
    func spareExchange() -> Exchange {
        if let exchange = state.freeExchanges { return exchange }
        return makeExchange()
    }

    @inline(never)
    private func makeExchange() -> Exchange {
        let exchange = ExchangeFields.make(
            loop: self, fieldCountMax: state.limits.wire.fieldCountMax)
        exchange.state.nextOfAll = state.everyExchange
        state.everyExchange = exchange
        state.freeExchanges = exchange
        return exchange
    }

    /// Puts the spare storage to use.
    @inline(__always)
    func takeSpareExchange(_ exchange: Exchange) {
        state.freeExchanges = exchange.state.next
        exchange.state.isInUse = true
        state.exchangeCount &+= 1
    }

    /// Takes leave of an exchange and gives its storage back.
    @inline(__always)
    func end(_ exchange: Exchange) {
        if exchange.state.isAccounted, !closeAccount(exchange) { return }
        if exchange.state.owesEnded {
            withApplication { $0.ended(exchange) }
        }
        exchange.releaseRemote()
        exchange.reset()
        exchange.state.next = state.freeExchanges
        state.freeExchanges = exchange
        state.exchangeCount &-= 1
    }

    /// Tells an exchange that its client is gone.
    func bereave(_ exchange: Exchange, _ reason: CloseReason) {
        guard exchange.state.isHandled else { return end(exchange) }
        // In use, so that the mark is taken off for the next exchange in this storage.
        unsafe exchange.state.remote.pointee.isInUse.store(true, ordering: .relaxed)
        unsafe exchange.state.remote.pointee.isClosed.store(true, ordering: .releasing)
        if exchange.isHeld {
            exchange.state.unheardReason = reason
        } else {
            tell(exchange, reason)
        }
    }

    /// Has the application hear that the client is gone.
    func tell(_ exchange: Exchange, _ reason: CloseReason) {
        let observer = exchange.state.observer
        unsafe observer.onClosed?(observer.context, reason.rawValue)
        if exchange.isComplete { exchange.schedule() }
    }
}
