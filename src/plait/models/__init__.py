"""Where weights come from: bundled, a folder, the hub; published names; pickles read without running them."""
