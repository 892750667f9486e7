"""The synthetic gym: labelled skeletons and labelled, rendered video of all 22 exercises, from one seed."""
