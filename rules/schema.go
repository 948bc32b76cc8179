package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Names of the files in which editors look for the schemas, as the first lines of generated files have them.
const (
	PackSchemaFile = "pcapaudit-pack.schema.json"
	SiteSchemaFile = "pcapaudit-site.schema.json"
)

// SchemaLine is the comment by which editors with a YAML language server find a schema that lies beside a rule file; with a line break.
func SchemaLine(schemaFile string) string {
	return "# yaml-language-server: $schema=" + schemaFile + "\n"
}

// PackSchema is the JSON Schema (draft 2020-12) of packs. It takes the packs that LoadPack takes, as far as they write truth values
// without quotes and leave out what is empty, and refuses what is wrong with one entry by itself; what one entry means for another is only checked by LoadPack.
func PackSchema() ([]byte, error) {
	w := schemaWriter{defs: form{}}
	root := w.structure(reflect.TypeFor[Pack]())
	// Where a flow of the site's own comes from, the site says.
	root["if"] = form{"properties": form{"kind": form{"const": string(Local)}}}
	root["else"] = form{"properties": form{"flows": form{"items": form{"required": []string{"cite"}, "properties": form{"cite": form{"minItems": 1}}}}}}
	root["not"] = form{"properties": form{"name": form{"const": localPack}}, "required": []string{"name"}}
	return w.document(root, "A pack of pcapaudit: what the documentation of one product says")
}

// SiteSchema is the JSON Schema (draft 2020-12) of site files, with the limits of PackSchema.
func SiteSchema() ([]byte, error) {
	w := schemaWriter{defs: form{}}
	return w.document(w.structure(reflect.TypeFor[Site]()), "A site file of pcapaudit: who plays which role where, and what is known of the capture")
}

// schemaWriter gathers the schemas of the structures that a file consists of.
type schemaWriter struct {
	defs form // by name of the structure
}

func (w *schemaWriter) document(root form, title string) ([]byte, error) {
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = title
	root["$defs"] = w.defs
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return text.Bytes(), nil
}

// structure is the schema of one structure: its keys and no others.
func (w *schemaWriter) structure(t reflect.Type) form {
	properties, must := form{}, []string{}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("yaml")] = t.Field(i).Type
	}
	for _, k := range specsOf(t) {
		value := w.value(fields[k.name], k.form)
		if _, free := value["maxLength"]; free {
			value["pattern"] = lineForm
			if slices.Contains(prose, k.name) {
				value["pattern"] = paragraphForm
			}
		}
		value["description"] = k.doc
		properties[k.name] = value
		if k.must {
			must = append(must, k.name)
		}
	}
	s := form{"type": "object", "properties": properties, "additionalProperties": false}
	if len(must) > 0 {
		s["required"] = must
	}
	maps.Copy(s, together[t])
	return s
}

// specsOf are the keys of a structure of packs or of sites.
func specsOf(t reflect.Type) []keySpec {
	if specs, ok := keySpecs[t]; ok {
		return specs
	}
	return siteKeySpecs[t]
}

// value is the schema of a value of a type; f is what is known of its form.
func (w *schemaWriter) value(t reflect.Type, f form) form {
	switch t.Kind() {
	case reflect.Pointer:
		return w.value(t.Elem(), f)
	case reflect.Slice:
		if t == reflect.TypeFor[ColumnNames]() {
			return form{"anyOf": []form{text(0), {"type": "array", "items": text(0)}}}
		}
		return w.list(t, f)
	case reflect.Map:
		return form{"type": "object", "propertyNames": oneOf(osNames), "additionalProperties": pattern(`^` + portSpan + `$`)}
	case reflect.Struct:
		return w.reference(t)
	}
	if f != nil {
		return maps.Clone(f)
	}
	switch t.Kind() {
	case reflect.Bool:
		return form{"type": "boolean"}
	case reflect.Uint16:
		return form{"type": "integer", "minimum": 1, "maximum": 65535}
	}
	return text(0)
}

func (w *schemaWriter) list(t reflect.Type, f form) form {
	f = maps.Clone(f)
	s := form{"type": "array"}
	for _, keyword := range []string{"minItems", "uniqueItems"} {
		if demand, ok := f[keyword]; ok {
			s[keyword] = demand
			delete(f, keyword)
		}
	}
	if len(f) == 0 {
		f = nil
	}
	s["items"] = w.value(t.Elem(), f)
	return s
}

// reference points to the schema of a structure. An address entry may also be plain text.
func (w *schemaWriter) reference(t reflect.Type) form {
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	if w.defs[name] == nil {
		w.defs[name] = form{}
		w.defs[name] = w.structure(t)
	}
	ref := form{"$ref": "#/$defs/" + name}
	if t == reflect.TypeFor[AddrEntry]() {
		return form{"anyOf": []form{pattern(addressForm), ref}}
	}
	return ref
}

// What may stand in free text: characters that print; in prose, lines of them.
const (
	lineForm      = `^[^\p{C}\p{Zl}\p{Zp}]*\n*$`
	paragraphForm = `^([^\p{C}\p{Zl}\p{Zp}]|\n)*$`
)

// text is free text of at least so many characters: the text of a value counts, also where YAML takes it for a number or a truth value.
func text(least int) form {
	f := form{"type": []string{"string", "number", "boolean"}, "maxLength": maxString}
	if least > 0 {
		f["minLength"] = least
	}
	return f
}

// together is what keys of one structure demand of each other, as far as one look at the structure tells.
var together = map[reflect.Type]form{
	reflect.TypeFor[Flow](): {"allOf": []form{
		implies(has("proto", portless()), form{"properties": form{"ports": form{"maxItems": 0}}}),
		otherwise(has("proto", portless()), form{"required": []string{"ports"}, "properties": form{"ports": form{"minItems": 1}}}),
		otherwise(has("proto", []string{"icmp"}), form{"properties": form{"icmp_types": form{"maxItems": 0}}}),
		implies(has("need", []string{"conditional"}), form{"required": []string{"condition"}}),
		otherwise(form{"properties": form{"reference": form{"const": true}}, "required": []string{"reference"}}, form{"required": []string{"occurrence"}}),
		implies(has("encryption", []string{"forbidden"}), form{"properties": form{"encryption_protocols": form{"maxItems": 0}}}),
		implies(has("ports_mode", []string{"alternatives"}), form{"properties": form{"ports": form{"minItems": 2}}}),
		implies(form{"properties": form{"ports": form{"contains": oneOf([]string{"any", "unstated"})}}, "required": []string{"ports"}}, form{"properties": form{"ports": form{"maxItems": 1}}}),
		implies(form{"properties": form{"reference": form{"const": true}}, "required": []string{"reference"}},
			form{"properties": form{"from": form{"const": []string{"any"}}, "to": form{"const": []string{"any"}}}}),
	}},
	reflect.TypeFor[Host](): {"anyOf": []form{
		{"required": []string{"addresses"}, "properties": form{"addresses": form{"minItems": 1}}},
		{"required": []string{"names"}, "properties": form{"names": form{"minItems": 1}}},
	}},
	reflect.TypeFor[Site](): {"anyOf": []form{
		{"required": []string{"hosts"}, "properties": form{"hosts": form{"minItems": 1}}},
		{"required": []string{"hosts_from"}, "properties": form{"hosts_from": form{"minItems": 1}}},
	}},
	reflect.TypeFor[RoleRule](): {"anyOf": []form{{"required": []string{"column", "is"}}, {"required": []string{"group"}}, {"required": []string{"ou"}}, {"required": []string{"name"}}},
		"dependentRequired": map[string][]string{"column": {"is"}, "is": {"column"}}},
	reflect.TypeFor[CaptureRecord](): {"anyOf": []form{{"required": []string{"file"}}, {"required": []string{"interface"}}}},
	reflect.TypeFor[Background]():    implies(form{"properties": form{"from": form{"const": "any"}, "to": form{"const": "any"}}}, form{"anyOf": []form{{"required": []string{"proto"}}, {"required": []string{"ports"}}}}),
	reflect.TypeFor[Expect](): {"if": has("in", []string{"not"}), "then": form{"not": form{"required": []string{"every"}}}, "anyOf": []form{{"required": []string{"in"}}, {"required": []string{"every"}}},
		"dependentRequired": map[string][]string{"at": {"every"}, "within": {"every"}, "days": {"every"}, "zone": {"every"}}},
	reflect.TypeFor[Translation](): otherwise(has("kind", []string{"destination"}), form{"not": form{"required": []string{"port"}}}),
	reflect.TypeFor[LocalFlow](): {"allOf": []form{
		implies(has("proto", portless()), form{"properties": form{"ports": form{"maxItems": 0}}}),
		otherwise(has("proto", portless()), form{"required": []string{"ports"}, "properties": form{"ports": form{"minItems": 1}}}),
	}},
}

// has is true where a key is there and one of the words.
func has(key string, words []string) form {
	return form{"properties": form{key: oneOf(words)}, "required": []string{key}}
}

func implies(condition, then form) form { return form{"if": condition, "then": then} }

func otherwise(condition, then form) form { return form{"if": condition, "else": then} }

// portless are the protocols without ports.
func portless() []string {
	var names []string
	for _, name := range protoWords() {
		if list := ProtoOf(name); !list[0].HasPorts() {
			names = append(names, name)
		}
	}
	return names
}
