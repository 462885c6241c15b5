// Command gowitness is a small witness of transparency logs for tests (C2SP tlog-witness), and a check of cosigned
// checkpoints, on code that has nothing of ours: sumdb/note, sumdb/tlog and transparency-dev/formats.
//
//	gowitness serve  --state FOLDER --name NAME --log LOG_VKEY [--ml-dsa] [--address 127.0.0.1:0]
//	gowitness verify --log LOG_VKEY --witness WITNESS_VKEY [--ml-dsa] < checkpoint
//
// serve prints {"url":…,"key":…} and keeps its key and the last checkpoint of the log in the folder. verify prints the
// size, and fails where either signature is missing or false.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	formats "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: gowitness serve|verify …"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	state := flags.String("state", "", "folder of the key and of the last checkpoint")
	name := flags.String("name", "", "name of the witness")
	logKey := flags.String("log", "", "verifier key of the log")
	witnessKey := flags.String("witness", "", "verifier key of the witness")
	mlDsa := flags.Bool("ml-dsa", false, "sign with ML-DSA-44")
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	_ = flags.Parse(os.Args[2:])
	verifier, err := note.NewVerifier(*logKey)
	if err != nil {
		fail(err)
	}
	switch os.Args[1] {
	case "serve":
		fail(serve(*state, *name, verifier, *mlDsa, *address))
	case "verify":
		fail(verify(verifier, *witnessKey, *mlDsa))
	default:
		fail(errors.New("there are serve and verify"))
	}
}

func fail(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func verify(log note.Verifier, key string, mlDsa bool) error {
	witness, err := cosigner(key, mlDsa)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	checkpoint, _, opened, err := formats.ParseCheckpoint(text, log.Name(), log, witness)
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 2 {
		return fmt.Errorf("%d signatures of log and witness, not 2", len(opened.Sigs))
	}
	fmt.Println(checkpoint.Size)
	return nil
}

func cosigner(key string, mlDsa bool) (note.Verifier, error) {
	if mlDsa {
		return fnote.NewMLDSAVerifier(key)
	}
	return fnote.NewVerifierForCosignatureV1(key)
}

// witness holds one log.
type witness struct {
	mutex  sync.Mutex
	folder string
	log    note.Verifier
	signer note.Signer
}

func serve(folder, name string, log note.Verifier, mlDsa bool, address string) error {
	signer, key, err := openKey(folder, name, mlDsa)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	said, _ := json.Marshal(map[string]string{"url": "http://" + listener.Addr().String(), "key": key})
	fmt.Println(string(said))
	w := &witness{folder: folder, log: log, signer: signer}
	http.HandleFunc("POST /add-checkpoint", w.addCheckpoint)
	return http.Serve(listener, nil)
}

// openKey gives the key in the folder, made where there is none, and its verifier key.
func openKey(folder, name string, mlDsa bool) (note.Signer, string, error) {
	path := filepath.Join(folder, "key")
	kept, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		kept, err = newKey(path, name, mlDsa)
	}
	if err != nil {
		return nil, "", err
	}
	private, public, _ := strings.Cut(strings.TrimSpace(string(kept)), "\n")
	if mlDsa {
		signer, err := fnote.NewMLDSASigner(private)
		return signer, public, err
	}
	signer, err := fnote.NewSignerForCosignatureV1(private)
	return signer, public, err
}

func newKey(path, name string, mlDsa bool) ([]byte, error) {
	generate := func(name string) (string, string, error) { return fnote.GenerateMLDSAKey(name) }
	if !mlDsa {
		generate = func(name string) (string, string, error) {
			private, public, err := note.GenerateKey(rand.Reader, name)
			if err != nil {
				return "", "", err
			}
			public, err = fnote.VKeyToCosignatureV1(public)
			return private, public, err
		}
	}
	private, public, err := generate(name)
	if err != nil {
		return nil, err
	}
	kept := []byte(private + "\n" + public + "\n")
	return kept, os.WriteFile(path, kept, 0o600)
}

// addCheckpoint follows the order of checks of the specification.
func (w *witness) addCheckpoint(response http.ResponseWriter, request *http.Request) {
	old, proof, text, err := parse(bufio.NewReader(http.MaxBytesReader(response, request.Body, 1<<20)))
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	if origin, _, _ := strings.Cut(text, "\n"); origin != w.log.Name() {
		http.Error(response, "unknown log", http.StatusNotFound)
		return
	}
	checkpoint, _, opened, err := formats.ParseCheckpoint([]byte(text), w.log.Name(), w.log)
	if err != nil {
		http.Error(response, err.Error(), http.StatusForbidden)
		return
	}
	if old > int64(checkpoint.Size) {
		http.Error(response, "old size above the checkpoint's", http.StatusBadRequest)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	size, root, err := w.last()
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	if old != size {
		response.Header().Set("Content-Type", "text/x.tlog.size")
		response.WriteHeader(http.StatusConflict)
		fmt.Fprintf(response, "%d\n", size)
		return
	}
	newRoot := tlog.Hash(checkpoint.Hash)
	if old == int64(checkpoint.Size) && old > 0 && newRoot != root {
		http.Error(response, "another root", http.StatusConflict)
		return
	}
	if (old == 0 || old == int64(checkpoint.Size)) && len(proof) > 0 {
		http.Error(response, "a proof where there is nothing to prove", http.StatusUnprocessableEntity)
		return
	}
	if old > 0 && old < int64(checkpoint.Size) {
		if err := tlog.CheckTree(proof, int64(checkpoint.Size), newRoot, old, root); err != nil {
			http.Error(response, err.Error(), http.StatusUnprocessableEntity)
			return
		}
	}
	signed, err := note.Sign(&note.Note{Text: opened.Text}, w.signer)
	if err == nil {
		err = w.keep([]byte(text))
	}
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	response.Write(signed[len(opened.Text)+1:])
}

// parse reads the request: old size, proof, empty line, checkpoint.
func parse(body *bufio.Reader) (int64, tlog.TreeProof, string, error) {
	line, err := body.ReadString('\n')
	digits, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "old ")
	old, parsed := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || parsed != nil || strconv.FormatInt(old, 10) != digits || old < 0 {
		return 0, nil, "", errors.New("no line of the old size")
	}
	var proof tlog.TreeProof
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			return 0, nil, "", err
		}
		if line == "\n" {
			break
		}
		bytes, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil || len(bytes) != tlog.HashSize || len(proof) == 63 {
			return 0, nil, "", errors.New("no line of a proof")
		}
		proof = append(proof, tlog.Hash(bytes))
	}
	text, err := io.ReadAll(body)
	return old, proof, string(text), err
}

func (w *witness) last() (int64, tlog.Hash, error) {
	kept, err := os.ReadFile(filepath.Join(w.folder, "checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, tlog.Hash{}, nil
	}
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	checkpoint, _, _, err := formats.ParseCheckpoint(kept, w.log.Name(), w.log)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	return int64(checkpoint.Size), tlog.Hash(checkpoint.Hash), nil
}

func (w *witness) keep(text []byte) error {
	beside := filepath.Join(w.folder, "checkpoint.new")
	if err := os.WriteFile(beside, text, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, filepath.Join(w.folder, "checkpoint"))
}
