package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles of C2SP tlog-tiles have 2⁸ hashes.
const tileHeight = 8

var trees = &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

type checkpoint struct {
	size int64
	root []byte
}

// openCheckpoint believes a checkpoint only where the key signed it, and only with the key's name as its origin.
func openCheckpoint(text []byte, key string) (checkpoint, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return checkpoint{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return checkpoint{}, errors.New("the checkpoint is one of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return checkpoint{}, errors.New("the checkpoint has no size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != rfc6962.DefaultHasher.Size() {
		return checkpoint{}, errors.New("the checkpoint has no root")
	}
	return checkpoint{size, root}, nil
}

// verifyLog verifies an export: every checkpoint, entry, hash tile and opening.
func verifyLog(folder, key string) error {
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	newest, err := openCheckpoint(text, key)
	if err != nil {
		return err
	}
	roots, err := readCheckpoints(folder, key, newest)
	if err != nil {
		return err
	}
	entries, err := readEntries(folder, newest.size)
	if err != nil {
		return err
	}
	// The tree twice: as transparency-dev/merkle grows it, and as the hashes that tlog stores.
	tree := trees.NewEmptyRange(0)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			if index >= int64(len(hashes)) {
				return nil, errors.New("no such hash")
			}
			found[at] = hashes[index]
		}
		return found, nil
	})
	for index, entry := range entries {
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(entry), nil); err != nil {
			return err
		}
		more, err := tlog.StoredHashes(int64(index), entry, reader)
		if err != nil {
			return err
		}
		hashes = append(hashes, more...)
		if root, ok := roots[int64(index)+1]; ok {
			if err := requireRoot(tree, root, index+1); err != nil {
				return err
			}
		}
	}
	whole, err := tlog.TreeHash(newest.size, reader)
	if err != nil {
		return err
	}
	if newest.size > 0 && !bytes.Equal(whole[:], newest.root) {
		return errors.New("the entries have another root than the newest checkpoint")
	}
	if err := verifyTiles(folder, newest.size, reader); err != nil {
		return err
	}
	return verifyRecords(folder, entries)
}

func requireRoot(tree *compact.Range, root []byte, size int) error {
	found, err := tree.GetRootHash(nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, root) {
		return fmt.Errorf("the first %d entries have another root than their checkpoint", size)
	}
	return nil
}

// readCheckpoints gives the root at each size in the list, which ends with the newest checkpoint.
func readCheckpoints(folder, key string, newest checkpoint) (map[int64][]byte, error) {
	file, err := os.Open(filepath.Join(folder, "checkpoints"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	roots := map[int64][]byte{}
	last := checkpoint{size: -1}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var listed struct {
			Size int64  `json:"size"`
			Note string `json:"note"`
		}
		if err := json.Unmarshal(lines.Bytes(), &listed); err != nil {
			return nil, err
		}
		found, err := openCheckpoint([]byte(listed.Note), key)
		if err != nil {
			return nil, fmt.Errorf("the listed checkpoint of size %d: %w", listed.Size, err)
		}
		if found.size != listed.Size || found.size <= last.size {
			return nil, fmt.Errorf("the listed checkpoint of size %d is out of order", listed.Size)
		}
		roots[found.size] = found.root
		last = found
	}
	if last.size != newest.size || !bytes.Equal(last.root, newest.root) {
		return nil, errors.New("the list does not end with the newest checkpoint")
	}
	return roots, nil
}

// pathOf is tlog's own path of a tile without its height, which C2SP leaves out.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return filepath.Join("tile", strings.Replace(path, "data/", "entries/", 1))
}

func readEntries(folder string, size int64) ([][]byte, error) {
	var entries [][]byte
	for int64(len(entries)) < size {
		tile := tlog.Tile{H: tileHeight, L: -1, N: int64(len(entries)) >> tileHeight, W: 1 << tileHeight}
		tile.W = int(min(int64(tile.W), size-tile.N<<tileHeight))
		bundle, err := os.ReadFile(filepath.Join(folder, pathOf(tile)))
		if err != nil {
			return nil, err
		}
		for range tile.W {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s is cut", pathOf(tile))
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:end])
			bundle = bundle[end:]
		}
		if len(bundle) > 0 {
			return nil, fmt.Errorf("%s goes on after its entries", pathOf(tile))
		}
	}
	return entries, nil
}

// verifyTiles holds every hash tile of the tree against the entries.
func verifyTiles(folder string, size int64, reader tlog.HashReader) error {
	for _, tile := range tlog.NewTiles(tileHeight, 0, size) {
		found, err := os.ReadFile(filepath.Join(folder, pathOf(tile)))
		if err != nil {
			return err
		}
		made, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return err
		}
		if !bytes.Equal(found, made) {
			return fmt.Errorf("%s is not what the entries make", pathOf(tile))
		}
	}
	return nil
}

type receipt struct {
	LogID      string            `json:"logId"`
	Index      uint64            `json:"index"`
	Entry      string            `json:"entry"`
	LeafHash   []byte            `json:"leafHash"`
	Openings   map[string]opened `json:"openings"`
	Items      []opened          `json:"items"`
	Size       uint64            `json:"size"`
	Hashes     [][]byte          `json:"hashes"`
	Checkpoint string            `json:"checkpoint"`
}

func verifyReceipt(given receipt, key string) error {
	signed, err := openCheckpoint([]byte(given.Checkpoint), key)
	if err != nil {
		return err
	}
	if uint64(signed.size) != given.Size {
		return errors.New("the receipt has another size than its checkpoint")
	}
	leaf := rfc6962.DefaultHasher.HashLeaf([]byte(given.Entry))
	if !bytes.Equal(leaf, given.LeafHash) {
		return errors.New("the entry has another leaf hash")
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, given.Index, given.Size, leaf, given.Hashes, signed.root); err != nil {
		return err
	}
	record, err := readRecord([]byte(given.Entry))
	if err != nil {
		return err
	}
	if record.index != int64(given.Index) || record.logID != given.LogID {
		return errors.New("the receipt is for another record")
	}
	_, err = record.open(given.Openings, given.Items)
	return err
}
