import HTTPServer
import HTTPWire
import Synchronization

/// An observer of one exchange, made of closures; it keeps itself alive until it is released.
final class Streamer: @unchecked Sendable {
    let exchange: Exchange
    var onBody: ((UnsafeRawBufferPointer, Bool) -> Bool)?
    var onWritable: (() -> Void)?
    var onClosed: ((CloseReason?) -> Void)?
    var onDraining: (() -> Void)?

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
                onClosed: { Streamer.from($0).onClosed?(CloseReason(rawValue: $1)) },
                onDraining: onDraining == nil ? nil : { Streamer.from($0).onDraining?() }))
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

extension TestApplication.Route {
    /// A response without end, written whenever there is room. When the client is lost, it is
    /// aborted and `onClosed` is told why. Needs `onEnded: Streamer.release`.
    static func endless(
        pieceBytes: Int = 1 << 20, onClosed: @escaping @Sendable (CloseReason?) -> Void = { _ in }
    ) -> Self {
        .streamed { exchange in
            let streamer = Streamer(exchange)
            streamer.onClosed = { reason in
                exchange.abort()
                onClosed(reason)
            }
            streamer.observe()
            exchange.start()
            let piece = String(repeating: "a", count: pieceBytes)
            streamer.onWritable = { while exchange.put(piece) == .accepted {} }
            streamer.onWritable?()
        }
    }
}
