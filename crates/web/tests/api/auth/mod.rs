mod refresh;
