import CPluginABI

/// The functions of what a plugin may offer beside its answers, as C reads them; one of each for an
/// image.
@safe
final class OfferTables {
    private let state: UnsafeMutablePointer<ph_state>
    private let observer: UnsafeMutablePointer<ph_config_observer>

    init() {
        var table = ph_state()
        table.size = UInt32(MemoryLayout<ph_state>.size)
        unsafe table.save = { state, writer, version, error in
            unsafe Instance.at(state)?.save(unsafe: writer, version, error) ?? wrongState
        }
        unsafe table.restore = { state, version, piece, error in
            unsafe Instance.at(state)?.restore(unsafe: piece, version, error) ?? wrongState
        }
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: table)
        var observing = ph_config_observer()
        observing.size = UInt32(MemoryLayout<ph_config_observer>.size)
        unsafe observing.changed = { state, configuration, error in
            unsafe Instance.at(state)?.change(unsafe: configuration, error) ?? wrongState
        }
        unsafe observer = .allocate(capacity: 1)
        unsafe observer.initialize(to: observing)
    }

    deinit {
        unsafe state.deallocate()
        unsafe observer.deallocate()
    }

    /// The functions of an extension; null if the plugin does not offer it.
    func table(unsafe id: ph_text, of offers: Offers) -> UnsafeRawPointer? {
        let id = unsafe BorrowedText(unsafe: id)
        if id == "ph.state/1", let handOver = offers.handOver {
            unsafe state.pointee.flags = handOver.isQuiet ? UInt32(PH_STATE_QUIET) : 0
            return unsafe UnsafeRawPointer(state)
        }
        if id == "ph.config-observer/1", offers.change != nil {
            return unsafe UnsafeRawPointer(observer)
        }
        return nil
    }
}
