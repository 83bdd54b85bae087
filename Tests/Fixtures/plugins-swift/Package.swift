// swift-tools-version: 6.2
import PackageDescription

/// How a plugin is linked so that it can be unloaded: its own copy of the Swift runtime inside, one
/// symbol exported, nothing kept that is not used.
let unloadable: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib",
        "-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map",
        "-Xlinker", "--gc-sections", "-Xlinker", "-s",
    ])
]

let package = Package(
    name: "plugins-swift",
    products: [
        .library(name: "unruly", type: .dynamic, targets: ["Unruly"]),
        .library(name: "extending", type: .dynamic, targets: ["Extending"]),
    ],
    dependencies: [.package(name: "plugin-host", path: "../../..")],
    targets: [
        .target(
            name: "Unruly",
            dependencies: [.product(name: "PluginKit", package: "plugin-host")],
            swiftSettings: [.unsafeFlags(["-static-stdlib"])],
            linkerSettings: unloadable),
        .target(
            name: "Extending",
            dependencies: [.product(name: "PluginKit", package: "plugin-host")],
            swiftSettings: [.unsafeFlags(["-static-stdlib"])],
            linkerSettings: unloadable),
    ]
)
