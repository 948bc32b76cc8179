package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgram makes the bill of the program: every linked module is in it, with its version, and the licence of each is in the notices.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "pcapaudit")
	build := exec.Command("go", "build", "-o", binary, "pcapaudit/cmd/pcapaudit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made := func(name string) (bom, notices []byte) {
		paths := []string{filepath.Join(dir, name+".json"), filepath.Join(dir, name+".txt")}
		if err := run(binary, "1.2.3", paths[0], paths[1], "1795000000"); err != nil {
			t.Fatal(err)
		}
		bom, _ = os.ReadFile(paths[0])
		notices, _ = os.ReadFile(paths[1])
		return bom, notices
	}
	bom, notices := made("first")
	again, noticesAgain := made("second")
	if !bytes.Equal(bom, again) || !bytes.Equal(notices, noticesAgain) {
		t.Error("made twice, they differ")
	}
	var b bill
	if err := json.Unmarshal(bom, &b); err != nil {
		t.Fatal(err)
	}
	if b.Metadata.Timestamp != "2026-11-18T11:06:40Z" || b.Metadata.Component.Version != "1.2.3" || b.Metadata.Component.Name != "pcapaudit" {
		t.Errorf("%+v", b.Metadata)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Components) != len(info.Deps)+1 || len(info.Deps) < 20 {
		t.Errorf("%d components of %d modules and the standard library", len(b.Components), len(info.Deps))
	}
	for _, dep := range info.Deps {
		ref := "pkg:golang/" + dep.Path + "@" + dep.Version
		if !slices.ContainsFunc(b.Components, func(c component) bool { return c.Ref == ref && c.Name == dep.Path }) {
			t.Errorf("%s is not in the bill", ref)
		}
		if !strings.Contains(string(notices), "\n"+dep.Path+" "+dep.Version+": ") {
			t.Errorf("%s is not in the notices", ref)
		}
	}
	for _, words := range []string{"Permission is hereby granted, free of charge", "Redistribution and use in source and binary forms", "Apache License"} {
		if !bytes.Contains(notices, []byte(words)) {
			t.Errorf("the notices have no %q", words)
		}
	}
	if on := b.Dependencies[0].On; !slices.Contains(on, "pkg:golang/std@"+strings.TrimPrefix(info.GoVersion, "go")) || len(on) == len(b.Components) {
		t.Errorf("direct dependencies: %v", on)
	}
}

func TestLicences(t *testing.T) {
	const (
		mit    = "Permission is hereby granted, free of charge, to any person obtaining"
		bsd2   = "Redistribution and use in source and binary\nforms, with or without modification"
		bsd3   = bsd2 + " ... to endorse or promote products"
		isc    = "Permission to use, copy, modify, and/or distribute this software for any purpose"
		apache = "  Apache License\n  Version 2.0, January 2004\n"
	)
	for _, c := range []struct {
		name  string
		files []licenceFile
		want  string
	}{
		{"MIT", []licenceFile{{"LICENSE", []byte(mit)}}, "MIT"},
		{"two clauses", []licenceFile{{"LICENSE", []byte(bsd2)}}, "BSD-2-Clause"},
		{"three clauses", []licenceFile{{"LICENSE", []byte(bsd3)}}, "BSD-3-Clause"},
		{"ISC", []licenceFile{{"LICENSE", []byte(isc + " provided that the above copyright notice")}}, "ISC"},
		{"0BSD", []licenceFile{{"LICENSE", []byte(isc + " with or without fee")}}, "0BSD"},
		{"a notice is no licence", []licenceFile{{"LICENSE", []byte(apache)}, {"NOTICE.txt", []byte(mit)}}, "Apache-2.0"},
		{"two in one file", []licenceFile{{"LICENSE", []byte(mit + bsd3)}}, ""},
		{"two files", []licenceFile{{"LICENSE", []byte(mit)}, {"COPYING", []byte(apache)}}, ""},
		{"unknown", []licenceFile{{"LICENSE", []byte("all yours")}}, ""},
		{"its own word", []licenceFile{{"License", []byte("/* SPDX-License-Identifier: MIT OR 0BSD */\n" + mit)}}, "MIT OR 0BSD"},
	} {
		got := ""
		for _, l := range licencesOf(c.files) {
			got += l.Expression
			if l.Licence != nil {
				got += l.Licence.ID
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, args := range map[string][3]string{
		"no binary":   {"", "1", "1"},
		"no version":  {os.Args[0], "", "1"},
		"no date":     {os.Args[0], "1", ""},
		"not from Go": {"sbom_test.go", "1", "1"},
	} {
		if run(args[0], args[1], "", "", args[2]) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
