package reports

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"pcapaudit/classify"
)

// schemas are published by others and stay outside the project.
const schemas = "../../shared/schemas/"

// jsonSchema compiles a schema, with its formats (uri-reference, date-time) asserted.
func jsonSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	if _, err := os.Stat(schemas + name); err != nil {
		t.Skipf("no schema to validate against: %v", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schemas + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, what string, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = s.Validate(doc)
	}
	if err != nil {
		t.Errorf("%s: %.3000v", what, err)
	}
}

// schemaAudits are audits that every schema must hold for.
func schemaAudits() map[string]*classify.Audit {
	ledger := sampleAudit()
	ledger.Residuals = []string{"1 packet read, 0 in classes"}
	ledger.Overflow = 3
	return map[string]*classify.Audit{"empty": {}, "sample": sampleAudit(), "hostile": nastyAudit(), "ledger": ledger}
}

// golden reads the committed reports of one extension.
func golden(t *testing.T, extension string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../testdata/reports/*" + extension)
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d golden reports with %s, want 5 or more (%v)", len(paths), extension, err)
	}
	texts := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = text
	}
	return texts
}

func TestSARIFHoldsToItsSchema(t *testing.T) {
	s := jsonSchema(t, "sarif-2.1.0.json")
	for name, a := range schemaAudits() {
		validate(t, s, name, render(t, Format{"sarif", ".sarif", writeSARIF}, a, Look{}))
	}
	for name, text := range golden(t, ".sarif") {
		validate(t, s, name, text)
	}
}

func TestOSCALHoldsToBothSchemas(t *testing.T) {
	for _, version := range []string{"1.1.3", "1.2.2"} {
		s := jsonSchema(t, "oscal-complete-"+version+".json")
		for name, a := range schemaAudits() {
			for _, look := range []Look{{}, {Epoch: 1767323045, Plan: "plan.oscal.json", Controls: []string{"nist-800-53", "pci-dss-4.0.1", "iso-27001-2022", "iec-62443"}}} {
				validate(t, s, name+" against "+version, render(t, Format{"oscal", ".oscal.json", writeOSCAL}, a, look))
			}
		}
		for name, text := range golden(t, ".oscal.json") {
			validate(t, s, name+" against "+version, text)
		}
	}
}

func TestJUnitHoldsToItsSchema(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is not installed")
	}
	if _, err := os.Stat(schemas + "junit.xsd"); err != nil {
		t.Skipf("no schema to validate against: %v", err)
	}
	dir := t.TempDir()
	args := []string{"--noout", "--huge", "--schema", schemas + "junit.xsd"}
	add := func(name string, text []byte) {
		path := filepath.Join(dir, strings.ReplaceAll(name, ".", "-")+".xml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	for name, a := range schemaAudits() {
		add(name, render(t, Format{"junit", ".junit.xml", writeJUnit}, a, Look{}))
	}
	for name, text := range golden(t, ".junit.xml") {
		add(name, text)
	}
	if out, err := exec.Command("xmllint", args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%.3000s", err, out)
	}
}
