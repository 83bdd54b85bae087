public import CLedger

/// The image that the calling thread acts for.
///
/// What a thread asks of the C library through a third library is booked to the image that it acts
/// for. Enter before a call into an image, leave after it; a function of the host that an image
/// calls enters 0.
public enum ImageContext {
    /// Makes the calling thread act for an image and returns whom it acted for.
    ///
    /// - Cost: three instructions.
    @inlinable @inline(__always)
    public static func enter(_ image: UInt32) -> UInt32 { ledger_enter(image) }

    /// Makes the calling thread act again for whom `enter` returned.
    @inlinable @inline(__always)
    public static func leave(_ previous: UInt32) { ledger_leave(previous) }

    /// The image that the calling thread acts for; 0 is the host. Safe in a signal handler.
    @inlinable
    public static var current: UInt32 { ledger_acting_for() }

    /// Ends the calling thread's relation to an image that it is not inside of any more; see
    /// `LoadedImage.settleThread`.
    public static func settle(_ image: UInt32) {
        if image != 0 { ledger_settle_thread(image) }
    }

    /// The image whose code or data holds the address; 0 if none does.
    public static func image(at address: UInt) -> UInt32 { ledger_image_at(address) }
}
