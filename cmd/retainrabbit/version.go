package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set by the linker for a release: -ldflags "-X main.version=v1.2.3".
var version string

type versionCmd struct{ asJSON }

func (c versionCmd) Run(e *env) error {
	v := buildVersion()
	return c.print(e.stdout, map[string]string{"version": v, "go": runtime.Version()}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "retainrabbit %s (%s)\n", v, runtime.Version())
		return err
	})
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
