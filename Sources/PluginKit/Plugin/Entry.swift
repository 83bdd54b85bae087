public import CPluginABI
import CPluginKit

/// The one function that the host looks for.
///
/// The author writes no C declaration: `@main` makes a function called `main`, as in every Swift
/// program, and here that function only tells PluginKit which type the plugin is.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c(ph_plugin_entry) @implementation
public func ph_plugin_entry(
    _ host: UnsafePointer<ph_host>?, _ abiVersion: UInt32
) -> UnsafePointer<ph_plugin>? {
    guard let host = unsafe host, abiVersion >> 16 == PH_ABI_MAJOR,
        unsafe Int(host.pointee.size) >= MemoryLayout<ph_host>.size
    else { return nil }
    if unsafe Contract.current == nil {
        ph_kit_call_main()
        ph_kit_call_at_close { unsafe Contract.current = nil }
    }
    return unsafe UnsafePointer(Contract.current?.plugin)
}
