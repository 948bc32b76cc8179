package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestInvocationKnowsEveryFlag fails where a flag of audit may change the audit and is not kept in it: verify could not make it again.
func TestInvocationKnowsEveryFlag(t *testing.T) {
	kept := "rules no-baseline net host port since until key dedup tunnel-port max-connections hash site baseline annotations"
	changesNothing := "format report connections all sign gate help color oscal-plan oscal-controls evidence evidence-packets passes payload pseudonymise epoch sandbox"
	auditCommand(&ui{}).Flags().VisitAll(func(f *pflag.Flag) {
		for _, list := range []string{kept, changesNothing} {
			for _, name := range strings.Fields(list) {
				if name == f.Name {
					return
				}
			}
		}
		t.Errorf("--%s: add it to classify.Invocation if the audit depends on it, else to this test", f.Name)
	})
}
