import HTTPServer
import HTTPWire
import Synchronization

/// An observer of one exchange, made of closures; it keeps itself alive until it is released.
final class Streamer: @unchecked Sendable {
    let exchange: Exchange
    var onBody: ((UnsafeRawBufferPointer, Bool) -> Bool)?
    var onWritable: (() -> Void)?
    var onClosed: ((CloseReason?) -> Void)?

    init(_ exchange: Exchange) { self.exchange = exchange }

    /// Begins to observe; the exchange's storage keeps this object until `release`.
    func observe() {
        let context = Unmanaged.passRetained(self).toOpaque()
        exchange.applicationStorage.storeBytes(of: context, as: UnsafeMutableRawPointer?.self)
        exchange.observe(
            ExchangeObserver(
                context: context,
                onBody: onBody == nil
                    ? nil
                    : { context, bytes, count, isLast in
                        Streamer.from(context).onBody?(
                            UnsafeRawBufferPointer(start: bytes, count: count), isLast) ?? true
                    },
                onWritable: { Streamer.from($0).onWritable?() },
                onClosed: { Streamer.from($0).onClosed?(CloseReason(rawValue: $1)) }))
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Streamer {
        Unmanaged<Streamer>.fromOpaque(context!).takeUnretainedValue()
    }

    /// To be called from `ended`.
    static func release(_ exchange: Exchange) {
        let context = exchange.applicationStorage.load(as: UnsafeMutableRawPointer?.self)
        if let context { Unmanaged<Streamer>.fromOpaque(context).release() }
    }
}
